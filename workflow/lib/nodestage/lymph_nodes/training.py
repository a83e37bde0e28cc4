"""Every segmentation network of a fold, in one process that prepares each patient once."""

import shutil
from dataclasses import replace
from pathlib import Path

from nodestage.core import checkpoints, seeds
from nodestage.core.errors import InputError
from nodestage.core.run import Run, TrainingSet
from nodestage.lymph_nodes import preparation
from nodestage.lymph_nodes.crossfitting import Fold
from nodestage.lymph_nodes.trainer import LymphNodeTrainer, LymphNodeTraining
from nodestage.lymph_nodes.variants import variant
from nodestage.nnunet import cases, plans
from nodestage.nnunet import training as nnunet_training


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
            channels, labels, spacing = preparation.case(patient, paths)
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
    plan = plans.make_plans(
        "lymph_nodes", shapes, spacings[0], preparation.CHANNELS, 1, settings["network"]
    )
    loss = {name: float(settings[name]) for name in ("alpha", "beta") if name in settings}
    training = LymphNodeTraining(**vars(plan.training), **loss)
    return replace(plan, training=training, section="lymph_nodes.network")


def _geometry(paths):
    if paths.get("prepared"):
        return cases.geometry(paths["prepared"])
    return plans.geometry(paths["venous"])
