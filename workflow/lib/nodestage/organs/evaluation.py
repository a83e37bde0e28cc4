"""Organs against the truth (Table III)."""

import numpy as np

from nodestage.metrics.surfaces import evaluate_segmentation
from nodestage.organs.learning import predict_phase

THICK_MM = 5.0
PHASES = {"arterial": "A", "venous": "V"}
UNTAUGHT = "no mask that the teacher learned from shows it"


def evaluate(truth, prediction, spacing, labels, thick_mm=THICK_MM):
    """Dice and surface distances of each structure, at the study's and at thick slices.

    Parameters
    ----------
    truth, prediction : label maps (z, y, x) on one grid
    spacing : (z, y, x), mm
    labels : {name: label} of the structures that the truth has annotated
    thick_mm : slice distance of the second set of rows (the paper's teacher worked on 5 mm)

    Returns
    -------
    list of dicts: `organ`, `label`, `slices` (study|thick), `spacing_z_mm`, `truth_voxels`,
    `predicted_voxels`, `dice`, `asd_mm`, `hd_mm`, `hd95_mm`, `note`; a value is None where it
    is undefined (an organ in neither map has no Dice, an organ in one of them no distances) and
    the note says why
    """
    rows = []
    thick = thick_slices(truth.shape[0], spacing[0], thick_mm)
    versions = (
        ("study", truth, prediction, tuple(spacing)),
        ("thick", truth[thick], prediction[thick], (thick_mm, *spacing[1:])),
    )
    for slices, true, found, at in versions:
        for organ, label in labels.items():
            a, b = true == label, found == label
            rows.append(
                {
                    "organ": organ,
                    "label": int(label),
                    "slices": slices,
                    "spacing_z_mm": float(at[0]),
                    "truth_voxels": int(a.sum()),
                    "predicted_voxels": int(b.sum()),
                    **evaluate_segmentation(a, b, at),
                }
            )
    return rows


def evaluate_networks(
    patient, truth, images, spacing, labels, *, student, teacher, taught, stand_in=None, **how
):
    """Rows of Table III of one patient: the teacher on each phase alone, the student on both.

    Parameters
    ----------
    patient : code
    truth : label map (z, y, x), drawn
    images : {"arterial": HU array (z, y, x), "venous": the same}, on the truth's grid
    spacing : (z, y, x), mm
    labels : {name: label} of the structures that the truth has annotated
    student : the student's label map, as later stages use it
    teacher : network from `learning.open_model`
    taught : labels that the teacher's training masks show (`labels_in`); of the others its rows
        hold no value and say so, as in the paper's Table III
    stand_in : the phase that stands in for a missing one, if any: the teacher reads it alone, and
        the student's note says that it read it twice
    how : `threads`, `device`, as in `predict_phase`

    Returns
    -------
    rows of `evaluate` with `patient`, `network` (teacher|student) and `phases` (A|V|A+V)
    """
    rows = []
    for phase, letter in PHASES.items():
        if stand_in not in (None, phase):
            continue
        found = predict_phase(teacher, images[phase], spacing, **how)
        about = {"patient": patient, "network": "teacher", "phases": letter}
        rows += [
            about | (row if row["label"] in taught else row | _untaught())
            for row in evaluate(truth, found, spacing, labels)
        ]
    about = {"patient": patient, "network": "student", "phases": "A+V"}
    twice = [f"{stand_in} phase twice"] if stand_in else []
    return rows + [
        about | row | {"note": "; ".join([*twice, *filter(None, [row["note"]])])}
        for row in evaluate(truth, student, spacing, labels)
    ]


def labels_in(records):
    """Labels that at least one mask shows, by the records of `cohort.masks`."""
    return {int(label) for record in records for label in record.get("volume_mm3", {})}


def _untaught():
    measures = ("predicted_voxels", "dice", "asd_mm", "hd_mm", "hd95_mm")
    return dict.fromkeys(measures) | {"note": UNTAUGHT}


def thick_slices(count, spacing_z, thick_mm):
    """Indices of the slices nearest to positions `thick_mm` apart, the first slice among them."""
    positions = np.arange(0, (count - 1) * spacing_z + 1e-6, thick_mm)
    return np.unique(np.minimum(np.rint(positions / spacing_z), count - 1).astype(int))
