"""A network that is to be trained: nnU-Net's plans, and the settings of its training."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained; None keeps nnU-Net's value. Names are those of the config.

    `Trainer.configure` hands these to nnU-Net's trainer.

    Attributes
    ----------
    epochs, iterations_per_epoch, validation_iterations : numbers of epochs and of steps in each
    cycles : how often the epochs are run through at most, each time from the full learning rate: once more
        only where the network has not fitted its own training data (`core.learning`)
    initial_lr : learning rate of the first epoch; it falls to 0 along (1 - epoch / epochs) ^ 0.9
    weight_decay, momentum : of the optimizer; `momentum` is AdamW's first beta
    optimizer : "sgd" (nnU-Net's) or "adam" (AdamW)
    oversample_foreground : share of the patches that must hold a label
    foreground_anywhere : such a patch may hold its voxel anywhere, not only in the middle
    augmentation : "full" (nnU-Net's) or "light" (without the slow image filters)
    shift_hu : SD of the HU that are added to a training patch, drawn for each patch and phase: a scanner's offset
        and the contrast agent's timing differ between centers; None or 0 adds none, as nnU-Net
    mirror_axes : axes that are flipped in training and may be in prediction
    processes : that load patches; 0 loads them in the training's process
    compile : torch.compile, where nnU-Net would use it
    deterministic : the same sums on a GPU each time
    mixed_precision : on CPUs too
    cache_gib : memory for unpacked patients, of all processes that load patches together
    """

    epochs: int | None = None
    iterations_per_epoch: int | None = None
    validation_iterations: int | None = None
    cycles: int = 1
    initial_lr: float | None = None
    weight_decay: float | None = None
    momentum: float | None = None
    optimizer: str = "sgd"
    oversample_foreground: float | None = None
    foreground_anywhere: bool = False
    augmentation: str = "full"
    shift_hu: float | None = None
    mirror_axes: list[int] | None = None
    processes: int = 0
    compile: bool = True
    deterministic: bool = True
    mixed_precision: bool = False
    cache_gib: float = 2.0


NAMES = tuple(field.name for field in fields(TrainingSettings))


@dataclass(frozen=True)
class Plan:
    """A network and how it is trained, from `plans.make_plans`.

    Attributes
    ----------
    plans : nnU-Net's plans, and beside nnU-Net's keys `channels` (their names), `image_spacing`
        (z, y, x; mm, of the study grid) and, of a lymph-node network, its `variant`
    dataset_json : nnU-Net's description of channels and labels
    training : TrainingSettings, or a subclass for a trainer that needs more
    section : where the config holds this network's settings ("tumor.network"), for messages
    """

    plans: dict[str, Any]
    dataset_json: dict[str, Any]
    training: TrainingSettings
    section: str = ""
