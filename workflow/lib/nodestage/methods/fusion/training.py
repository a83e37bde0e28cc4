"""Train a patient network, choose its weights on validation, and score patients with it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from nodestage.core import learning, training
from nodestage.core.optimizers import OPTIMIZERS, SCHEDULES
from nodestage.methods.fusion import inputs, weights

_CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}


@dataclass
class Views:
    """The views of some patients, in memory.

    Attributes
    ----------
    images : int16 tensor (patients, views, 2, [z,] y, x), HU, arterial and venous
    masks : uint8 tensor (patients, views, 1, [z,] y, x)
    volumes : float32 tensor (patients,), mm3, or (patients, numbers); zeros where a network does not use it
    labels : int array (patients,), 1 with metastasis; None where they are not known
    """

    images: torch.Tensor
    masks: torch.Tensor
    volumes: torch.Tensor
    labels: np.ndarray | None = None

    def __len__(self):
        return len(self.images)


def fit(network, train, validation, settings, seed, name):
    """Train `network` in place and leave it with the weights that are kept.

    Parameters
    ----------
    network : PatientNetwork
    train, validation : Views with labels
    settings : see defaults.yaml
    seed : int, for the order, the slices drawn and the augmentation
    name : of the method

    Returns
    -------
    history : `step` (whose weights are kept, from 1), `train_loss` and `validation_loss` (one value
        per check; of the training views seen since the check before, of all validation patients),
        `learned` (see `core.learning`; of the training patients under the weights kept)

    With `choose: best` the weights kept have the smallest cross entropy of the patients' averaged
    probabilities on validation (the earliest of equals): with a handful of validation patients an
    AUC has too few values to choose by. With `last`, or without validation patients, they are
    those of the last step.
    """
    steps, learning_rate = settings["steps"], settings["learning_rate"]
    decay = SCHEDULES[settings["schedule"]]
    schedule = training.Schedule(
        checks=training.checks_of(steps, settings["checks"]),
        rate=lambda step: learning_rate * decay(step / steps),
        choose=settings["choose"],
        hint=f"Lower `methods.{name}.settings.learning_rate` (now {learning_rate}).",
        cycles=settings["cycles"],
    )
    learner = PatientLearner(network, train, validation, settings, seed)
    trained = training.train(learner, schedule, name)
    learned = learning.fitted(
        name,
        learning.AUC,
        trained.training_auc,
        learner.training_loss,
        f"Raise `steps` (now {steps}) or `learning_rate` (now {learning_rate:g}) under "
        f"`methods.{name}.settings`, or let the slices show the tumor in more pixels (`tumor.pixel_mm`)",
    )
    return {
        "step": trained.step,
        "train_loss": trained.train_loss,
        "validation_loss": trained.validation_loss,
        "learned": learned,
    }


class PatientLearner:
    """A patient network in training; see `core.training.Learner`. Parameters as in `fit`."""

    def __init__(self, network, train, validation, settings, seed):
        self.network, self.settings = network, settings
        if next(network.parameters()).device.type == "cpu":
            # The same sums in another order, faster on a CPU. In bfloat16 some gradients of the 3D
            # network were not finite (docs/benchmarks.md).
            network.to(memory_format=_CHANNELS_LAST[train.images.ndim - 3])
        self.train, self.validation = train, validation
        self.labels = torch.as_tensor(np.asarray(train.labels), dtype=torch.long)
        self.optimizer = OPTIMIZERS[settings["optimizer"]](
            network.parameters(), settings["momentum"], settings["weight_decay"]
        )
        self.generator = torch.Generator().manual_seed(seed)
        self.batches = _batches(len(train), settings["patients_per_batch"], self.generator)
        self.training_loss = float("nan")  # of the last `training_auc`

    def step(self, number):
        """One step on the next batch of patients; its loss."""
        self.network.train()
        if self.settings["freeze"]:
            for layer in weights.LAYERS_TO_FREEZE:
                getattr(self.network.trunk, layer).eval()
        views, batch = self.train, next(self.batches)
        patients, chosen = _draw_views(batch, views.images.shape[1], self.settings, self.generator)
        drawn = inputs.draw(len(patients), self.settings["augmentation"], self.generator)
        seen = views.images[patients, chosen], views.masks[patients, chosen]
        logits = logits_of(self.network, *seen, views.volumes[patients], self.settings, drawn)
        loss = functional.cross_entropy(logits, self.labels[patients].to(logits.device))
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def validation_loss(self):
        """Cross entropy of the validation patients; None without any."""
        if not len(self.validation):
            return None
        scores = predict(self.network, self.validation, self.settings)
        return cross_entropy(scores, self.validation.labels)

    def training_auc(self):
        """How well the network ranks its training patients; also sets their cross entropy, `training_loss`."""
        scores = predict(self.network, self.train, self.settings)
        self.training_loss = cross_entropy(scores, self.train.labels)
        return learning.auc(self.train.labels, scores)


def _batches(count, size, generator):
    """Indices of patients, pass after pass, each pass in a new order, endlessly.

    A pass is cut into even parts of about `size`: batch norm can't learn from a patient left over.
    """
    while True:
        order = torch.randperm(count, generator=generator)
        yield from order.tensor_split(max(1, round(count / size)))


def _draw_views(batch, count, settings, generator):
    """Which views of the batch's patients this step sees: indices (patient, view)."""
    wanted = min(settings["views_per_patient"] or count, count)
    chosen = torch.stack([torch.randperm(count, generator=generator)[:wanted] for _ in batch])
    return batch.repeat_interleave(wanted), chosen.flatten()


def logits_of(network, images, masks, volumes, settings, drawn=None):
    """Logits (B, 2) of views, computed on the network's device.

    Parameters
    ----------
    images : int16 tensor (B, 2, [z,] y, x), HU, arterial and venous
    masks : tensor (B, 1, [z,] y, x), 0 or 1
    volumes : float32 tensor (B,), mm3, or (B, numbers)
    drawn : augmentation from `inputs.draw`, or None
    """
    device = next(network.parameters()).device
    phases = inputs.scaled(images.to(device), settings["windows_hu"])
    mask = masks.to(device).float()
    if drawn is not None:
        phases, mask = inputs.augment(phases, mask, drawn)
    image = inputs.channels(phases, mask, settings["third_channel"])
    return network(image, mask, volumes.to(device))


@torch.no_grad()
def predict(network, views, settings):
    """Probability of metastasis of each patient, the mean over the views.

    Patients are scored one by one, so that no score depends on other patients.
    """
    network.eval()
    scores = []
    for images, masks, volume in zip(views.images, views.masks, views.volumes, strict=True):
        logits = logits_of(
            network, images, masks, volume.expand(len(images), *volume.shape), settings
        )
        scores.append(functional.softmax(logits, dim=1)[:, 1].mean().item())
    return scores


def cross_entropy(scores, labels):
    """Mean cross entropy of probabilities and 0/1 labels."""
    scores = np.clip(scores, 1e-6, 1 - 1e-6)
    labels = np.asarray(labels)
    return float(-np.mean(np.where(labels == 1, np.log(scores), np.log(1 - scores))))
