"""Tumor masks by the annotation-efficient chain.

An arterial network learns from the auxiliary center's masks and marks the discovery patients'
arterial scans. The registration has brought these onto the venous grid, so its masks lie on
the venous scan too. It may be fine-tuned on them and mark again, as in the paper. From the masks,
as pseudo labels, a venous network is trained, or one that sees both phases; from scratch as in the
paper, or from the weights of the arterial network. The discovery center's masks (22 % of its
patients in the paper) only evaluate.

A patient in the lists below is `(patient, {phase: image}, mask)`; images and masks are paths
(or Volumes) on the study grid.
"""

from dataclasses import replace

import numpy as np

from nodestage.core.errors import InputError
from nodestage.core.run import Run
from nodestage.metrics.surfaces import evaluate_segmentation
from nodestage.nnunet import fitting

NEAR_MM = 10.0  # a tumor has voxels this close to the labels of the organ that holds it


def train_arterial(patients, settings: dict, run: Run, *, validation=(), **options):
    """Train the network of the arterial phase on the auxiliary center's masks.

    Parameters
    ----------
    patients, validation : lists of patients with an arterial image and a tumor mask (0, 1)
    settings : as in `nnunet.plans.make_plans`
    run : seed and files
    options : `choose`, `initial`, as in `nnunet.fitting.fit`
    """
    return _train("", ["arterial"], (patients, validation), settings, run, options)


def train_finetuned(patients, settings: dict, run: Run, arterial: dict):
    """Train the arterial network on with its pseudo masks, before it marks these patients again.

    Patients whose pseudo mask is empty are left out, as in `train_final`.

    Parameters
    ----------
    patients : lists of patients with an arterial image and a pseudo mask
    settings, run : as in `train_arterial`
    arterial : the arterial network (`checkpoints.load`)
    """
    options = {"initial": arterial}
    sets = _marked(patients), ()
    return _train(", fine-tuned", ["arterial"], sets, settings, run, options)


def train_final(
    patients, settings: dict, run: Run, *, phases=("venous",), validation=(), **options
):
    """Train the network that marks every patient, on the pseudo masks of `pseudo_mask`.

    Patients whose pseudo mask is empty are left out: an arterial network that detected nothing does
    not prove that there is no tumor. Arguments as in `train_arterial`, and

    phases : what the network sees: `venous` alone as in the paper, or `arterial` and `venous`
    options : also `initial`, the arterial network (`checkpoints.load`) whose weights to start from; the
        paper trains from scratch. Both must see one phase
    """
    sets = _marked(patients), validation
    return _train("", list(phases), sets, settings, run, options)


def _marked(patients):
    """The patients whose pseudo mask isn't empty."""
    marked = [p for p in patients if fitting.as_volume(p[2]).array.any()]
    if not marked:
        raise InputError(
            f"tumor: the arterial network marked a tumor in none of {len(patients)} "
            "patients. Train it longer (`tumor.network.epochs`) or on more auxiliary patients."
        )
    print(f"tumor: {len(marked)} of {len(patients)} patients have a pseudo mask")
    return marked


def open_model(path):
    """A trained network, ready to predict many patients."""
    return fitting.open_model(path)


def pseudo_mask(arterial_model, arterial, spacing, organ=None, **options):
    """The arterial network's mask of one patient, one piece of it; see `predict`.

    Parameters
    ----------
    arterial_model : from `open_model`
    arterial : HU array (z, y, x) of the arterial phase, registered to the venous grid
    spacing : (z, y, x), mm
    organ : bool array (z, y, x), or None
    options : of `nnunet.prediction.Options`

    Returns
    -------
    uint8 mask (z, y, x)
    """
    return predict(arterial_model, arterial, spacing, organ, **options)


def phases_of(model):
    """The phases that a network sees, in its order."""
    return list(model.model["plans"]["channels"])


def predict(model, images, spacing, organ=None, *, threshold=0.5, **options):
    """Tumor mask of one patient: one piece of the network's mask, see `tumor_piece`.

    One patient has one primary tumor, so a second piece is an error more often than not. Empty
    stays empty. Arguments as in `pseudo_mask`, but

    images : HU array of the model's phase, or {phase: array} with all of `phases_of`
    threshold : a voxel is tumor above this probability; 0.5 takes the likelier label, as nnU-Net does
    """
    if not isinstance(images, dict):
        images = dict.fromkeys(phases_of(model)[:1], images)
    channels = [images[phase] for phase in phases_of(model)]
    if threshold == 0.5:
        mask = model.labels(channels, spacing, **options)
    else:
        _, probabilities = model.labels(channels, spacing, softmax=True, **options)
        mask = probabilities[1] > threshold
    return largest_piece(mask) if organ is None else tumor_piece(mask, organ, spacing)


def tumor_piece(mask, organ, spacing):
    """The 26-connected piece of a mask that has the most voxels at the organ that holds the tumor.

    A homogeneous liver or a fold of bowel can give a larger piece than a small tumor does; a primary
    tumor lies in or at its organ, within `NEAR_MM`. Where no piece does, or there is no such organ, the
    largest piece.

    Parameters
    ----------
    mask : integer array (z, y, x), 0 where there is none
    organ : bool array (z, y, x), of the organ that holds the tumor, tumor included
    spacing : (z, y, x), mm

    Returns
    -------
    uint8 mask (z, y, x)
    """
    from edt import edt

    pieces, count = _pieces(mask)
    if not count or not organ.any():
        return largest_piece(mask)
    away = edt(~np.ascontiguousarray(organ, dtype=bool), anisotropy=tuple(spacing))
    sizes = np.bincount(pieces[away <= NEAR_MM], minlength=count + 1)[1:]
    if not sizes.any():
        return largest_piece(mask)
    return (pieces == 1 + int(np.argmax(sizes))).astype(np.uint8)


def largest_piece(mask):
    """The largest 26-connected piece of a mask, uint8 (z, y, x); of equal ones the first in that order."""
    pieces, count = _pieces(mask)
    if not count:
        return np.zeros(mask.shape, np.uint8)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    return (pieces == 1 + int(np.argmax(sizes))).astype(np.uint8)


def _pieces(mask):
    """26-connected pieces, numbered from 1, and how many there are."""
    import cc3d

    return cc3d.connected_components(
        np.ascontiguousarray(mask, dtype=np.uint8), connectivity=26, return_N=True
    )


def evaluate(truth, prediction, spacing):
    """One patient's row: Dice and distances (Table III reports PDAC as medians over patients).

    Returns
    -------
    dict: `truth_mm3`, `predicted_mm3`, `dice`, `asd_mm`, `hd_mm`, `hd95_mm`, `note`; distances
    are None where a mask is empty, the Dice where both are, and the note gives the reason
    """
    truth, prediction = np.asarray(truth) > 0, np.asarray(prediction) > 0
    voxel = float(np.prod(spacing))
    return {
        "truth_mm3": int(truth.sum()) * voxel,
        "predicted_mm3": int(prediction.sum()) * voxel,
        **evaluate_segmentation(truth, prediction, spacing),
    }


def _train(about, phases, sets, settings, run, options):
    """A network of some phases from its training and validation patients; `about` ends its label."""
    return fitting.fit(
        fitting.Task("tumor", phases, 1, settings, "tumor.network"),
        *(_samples(phases, patients) for patients in sets),
        replace(run, label=f"tumor, {' and '.join(phases)}{about}"),
        **options,
    )


def _samples(phases, patients):
    for patient, images, _ in patients:
        missing = [phase for phase in phases if images.get(phase) is None]
        if missing:
            raise InputError(
                f"{patient}: `{missing[0]}` is missing, but the {' and '.join(phases)} tumor network "
                "learns from it. Add it, or leave this patient's `tumor` mask out."
            )
    return [
        (patient, [images[phase] for phase in phases], mask) for patient, images, mask in patients
    ]
