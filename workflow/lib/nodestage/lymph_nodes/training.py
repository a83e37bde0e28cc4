"""Every segmentation network of a fold, in one process that prepares each patient once."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from nodestage.core import checkpoints, seeds, volumes
from nodestage.core.errors import InputError
from nodestage.core.run import Run, TrainingSet
from nodestage.lymph_nodes.crossfitting import Fold
from nodestage.lymph_nodes.trainer import LymphNodeTrainer, LymphNodeTraining
from nodestage.lymph_nodes.variants import variant
from nodestage.nnunet import cases, cropping, plans
from nodestage.nnunet import training as nnunet_training

CHANNELS = ["arterial", "venous", "noNorm"]  # the map keeps its values


def train_fold(fold: Fold, settings: dict, run: Run) -> dict:
    """Train the segmentation networks that a fold needs and write them to `run.output`.

    Those of `variants` learn from the annotated training patients and are chosen on the validation
    patients. For each inner part an attention network learns from the rest of the training patients
    and keeps its last epoch; it measures that part. Every network has a separate seed, so that a
    change in a patient's images or mask reaches only the networks that see this patient.

    Parameters
    ----------
    fold : of whom the annotated patients are used
    settings : dict
        `variants` (plain, attention, and any of tversky, map_one), `alpha`, `beta` (Eq. 3),
        `choose` (best or last epoch), `network` (what `nnunet.plans.make_plans` takes)
    run : its work folder is kept when the training is cut short, so that it can resume

    Returns
    -------
    dict of plain values and tensors, as the file holds it: `networks` {name: export}, `settings`
    """
    sets = training_sets(fold, settings["variants"])
    plan = _plan(fold, settings)
    for patient in fold.annotated:
        paths = fold.patients[patient]
        if paths.get("prepared"):
            cases.linked(patient, paths["prepared"], plan, run.work)
        else:
            channels, labels, spacing = _case(patient, paths)
            cases.preprocess(patient, channels, labels, spacing, plan, run.work)
    networks = {}
    for name, patients in sets.items():
        networks[name] = nnunet_training.train(
            replace(plan, plans={**plan.plans, "variant": name}),
            patients,
            replace(
                run,
                seed=seeds.derived(run.seed, name),
                output=Path(run.work, "networks", name, "checkpoint.pt"),
                label=f"{run.label}, {name}",
            ),
            trainer=LymphNodeTrainer,
            choose=settings.get("choose", "best") if patients.validation else "last",
        )
    # The file goes to other hospitals: it names no patient.
    model = {"networks": networks, "settings": settings}
    checkpoints.save(run.output, model)
    shutil.rmtree(run.work, ignore_errors=True)
    return model


def prepare(patient: str, paths: dict, settings: dict, folder: str | Path) -> None:
    """Prepare one annotated patient for the networks of every fold, as nnU-Net reads patients.

    What is done to an image depends on the config alone, on no label, intensity or other patient.

    Parameters
    ----------
    patient : code, for messages and the files' names
    paths : `arterial`, `venous`, `map`, `lymph_nodes`: volumes on the study grid
    settings : as in `train_fold`; of its `network`, `spacing_mm` and `intensity` matter
    folder : for `train_fold`, as the patient's `prepared`
    """
    channels, labels, spacing = _case(patient, paths)
    plan = plans.make_plans(
        "lymph_nodes", [labels.shape], spacing, CHANNELS, 1, settings["network"]
    )
    cases.prepared(patient, channels, labels, spacing, plan, folder)


def training_sets(fold: Fold, variants: list[str]) -> dict[str, TrainingSet]:
    """`Fold.training_sets`; InputError where a network has no patient to learn from."""
    for name in variants:
        variant(name)
    if not set(fold.train) & set(fold.annotated):
        raise InputError(
            "None of the fold's training patients has a `lymph_nodes` mask and images to go with it. Give "
            "masks in the sample sheet; where a phase is missing, give it or set `substitute_phase: true`."
        )
    sets = fold.training_sets(variants)
    for name, patients in sets.items():
        if not patients.train:
            raise InputError(
                f"The network {name} has no annotated training patient to learn from. Lower "
                "`folds.inner`, or set it to 0."
            )
    return sets


def _plan(fold, settings):
    """Plan from the geometry of the fold's images, without their labels and intensities."""
    shapes, spacings = zip(*(_geometry(fold.patients[p]) for p in fold.annotated), strict=True)
    plan = plans.make_plans("lymph_nodes", shapes, spacings[0], CHANNELS, 1, settings["network"])
    loss = {name: float(settings[name]) for name in ("alpha", "beta") if name in settings}
    training = LymphNodeTraining(**vars(plan.training), **loss)
    return replace(plan, training=training, section="lymph_nodes.network")


def _geometry(paths):
    if paths.get("prepared"):
        return cases.geometry(paths["prepared"])
    return plans.geometry(paths["venous"])


def _case(patient, paths):
    """Channels, labels and spacing of one patient, of the body alone, for `cases.preprocess`."""
    mask = volumes.read(paths["lymph_nodes"])
    images = [volumes.read(paths[channel]) for channel in ("arterial", "venous", "map")]
    for channel, image in zip(("arterial", "venous", "map"), images, strict=True):
        if not volumes.same_grid(image, mask):
            raise InputError(
                f"{patient}: the `lymph_nodes` mask ({mask.array.shape} voxels) and the {channel} "
                f"volume ({image.array.shape}) do not lie on one grid. Both must come from "
                "the registration of this study."
            )
    labels = (mask.array > 0).astype(np.uint8)
    box = cropping.training_box([image.array for image in images[:2]], mask.spacing, labels)
    return [image.array[box] for image in images], labels[box], mask.spacing
