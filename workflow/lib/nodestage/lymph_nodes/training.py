"""Every segmentation network of a fold, in one process that prepares each patient once."""

import shutil
import zlib
from pathlib import Path

import numpy as np

from nodestage.core import volumes
from nodestage.core.errors import InputError
from nodestage.lymph_nodes import crossfitting
from nodestage.lymph_nodes.trainer import LymphNodeTrainer
from nodestage.lymph_nodes.variants import variant
from nodestage.nnunet import cases, checkpoints, plans
from nodestage.nnunet import training as nnunet_training

CHANNELS = ["arterial", "venous", "noNorm"]  # the map keeps its values


def train_fold(
    patients,
    train,
    validation,
    inner,
    settings,
    seed,
    output,
    work,
    threads=1,
    device=None,
    label="lymph nodes",
):
    """Train the networks that a fold needs and write them to `output`.

    Those of `variants` learn from `train` and are chosen on `validation`. For each part of
    `inner` an attention network learns from the rest of `train` and keeps its last epoch; it
    measures that part. Every network has a seed of its own, so that none feels what the others
    draw, and a change in a patient's images or mask reaches only the networks that see them.

    Parameters
    ----------
    patients : {patient: {arterial, venous, map, lymph_nodes}}, paths of volumes on the study
        grid; `lymph_nodes` holds 0, 1 (negative), 2 (positive), or is empty where the patient
        was not annotated and so can't teach
    train, validation : lists of patients
    inner : list of lists, disjoint parts of `train`; empty without inner cross-fitting
    settings : dict
        `variants` (plain, attention, and any of tversky, map_one), `alpha`, `beta` (Eq. 3),
        `choose` (best or last epoch), `network` (what `nnunet.plans.make_plans` takes)
    seed : int
    output : path of the model
    work : scratch folder; kept when the training is cut short, so that it can go on

    Returns
    -------
    dict of plain values and tensors, as the file holds it: `networks` {name: export}, `settings`
    """
    annotated = {p for p in (*train, *validation) if patients[p]["lymph_nodes"]}
    learners = _learners(settings["variants"], train, validation, inner, annotated)
    planned, dataset = _plans(patients, sorted(annotated), settings["network"])
    for patient in sorted(annotated):
        _prepare(patient, patients[patient], planned, Path(work), dataset)
    networks = {}
    for name, (teachers, judges) in learners.items():
        networks[name] = nnunet_training.train(
            work,
            teachers,
            judges,
            planned,
            dataset,
            trainer=LymphNodeTrainer,
            seed=seed_of(seed, name),
            output=Path(work, "networks", name),
            device=device,
            label=f"{label}, {name}",
            own={
                "variant": name,
                "alpha": float(settings.get("alpha", 0.5)),
                "beta": float(settings.get("beta", 1.5)),
            },
            choose=settings.get("choose", "best") if judges else "last",
            threads=threads,
            section="lymph_nodes.network",
        )
    # The file goes to other hospitals: it names no patient.
    model = {"networks": networks, "settings": settings}
    checkpoints.save(output, model)
    shutil.rmtree(work, ignore_errors=True)
    return model


def seed_of(seed, name):
    """A network's own seed, whatever other networks stand beside it."""
    return zlib.crc32(f"{seed} {name}".encode())


def _learners(variants, train, validation, inner, annotated):
    """`crossfitting.learners` of the annotated patients; refused where one has nobody to learn from."""
    for name in variants:
        variant(name)
    known = [p for p in train if p in annotated]
    if not known:
        raise InputError(
            "None of the fold's training patients has a `lymph_nodes` mask and images to go with it. Give "
            "masks in the sample sheet; where a phase is missing, give it or set `substitute_phase: true`."
        )
    judges = [p for p in validation if p in annotated]
    found = crossfitting.learners(variants, known, judges, inner)
    for name, (teachers, _) in found.items():
        if not teachers:
            raise InputError(
                f"The network {name} has no annotated training patient to learn from. Lower "
                "`folds.inner`, or set it to 0."
            )
    return found


def _plans(patients, annotated, settings):
    """Plans from the geometry of the fold's images; no label, no intensity enters them."""
    shapes, spacings = zip(*(plans.geometry(patients[p]["venous"]) for p in annotated), strict=True)
    return plans.make_plans("lymph_nodes", shapes, spacings[0], CHANNELS, 1, settings)


def _prepare(patient, paths, planned, work, dataset):
    mask = volumes.read(paths["lymph_nodes"])
    images = [volumes.read(paths[channel]) for channel in ("arterial", "venous", "map")]
    for channel, image in zip(("arterial", "venous", "map"), images, strict=True):
        if not volumes.same_grid(image, mask):
            raise InputError(
                f"{patient}: the `lymph_nodes` mask ({mask.array.shape} voxels) and the {channel} "
                f"volume ({image.array.shape}) do not lie on one grid. Both must come from "
                "the registration of this study."
            )
    cases.preprocess(
        patient,
        [image.array for image in images],
        (mask.array > 0).astype(np.uint8),
        mask.spacing,
        planned,
        work,
        dataset,
    )
