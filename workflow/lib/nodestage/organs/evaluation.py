"""Organs against the truth (Table III)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from nodestage.core.volumes import Vector
from nodestage.metrics.surfaces import evaluate_segmentation
from nodestage.organs.learning import predict_phase

THICK_MM = 5.0
PHASES = {"arterial": "A", "venous": "V"}
UNLEARNED = "no mask that the teacher learned from shows it"


@dataclass(frozen=True)
class Case:
    """A patient with drawn organs.

    Attributes
    ----------
    patient : code
    truth : label map (z, y, x), drawn
    images : {"arterial": HU array (z, y, x), "venous": the same}, on the truth's grid
    spacing : (z, y, x), mm
    stand_in : the phase that replaces a missing one, if any: the teacher reads it alone, and
        the student's note reports that it read it twice
    """

    patient: str
    truth: np.ndarray
    images: Mapping[str, np.ndarray]
    spacing: Vector
    stand_in: str | None = None


def evaluate(
    truth: np.ndarray,
    prediction: np.ndarray,
    spacing: Vector,
    labels: Mapping[str, int],
    thick_mm: float = THICK_MM,
) -> list[dict]:
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
    the note gives the reason
    """
    rows = []
    thick = thick_slices(truth.shape[0], spacing[0], thick_mm)
    versions = (
        ("study", truth, prediction, tuple(spacing)),
        ("thick", truth[thick], prediction[thick], (thick_mm, *spacing[1:])),
    )
    for slices, true, predicted, at in versions:
        for organ, label in labels.items():
            a, b = true == label, predicted == label
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
    case: Case,
    labels: Mapping[str, int],
    *,
    student: np.ndarray,
    teacher,
    learned: Iterable[int],
    **options,
) -> list[dict]:
    """Rows of Table III of one patient: the teacher on each phase alone, the student on both.

    Parameters
    ----------
    case : the patient, images and truth
    labels : {name: label} of the structures that the truth has annotated
    student : the student's label map, as later stages use it
    teacher : network from `learning.open_model`; None where a program labelled the training patients,
        of which there are no rows then
    learned : labels that the teacher's training masks show (`labels_in`); of the others its rows
        have no value and a note, as in the paper's Table III
    options : `threads`, `mirror`, `device`, as in `predict_phase`

    Returns
    -------
    rows of `evaluate` with `patient`, `network` (teacher|student) and `phases` (A|V|A+V)
    """
    rows = []
    for phase, letter in PHASES.items() if teacher is not None else ():
        if case.stand_in not in (None, phase):
            continue
        predicted = predict_phase(teacher, case.images[phase], case.spacing, **options)
        about = {"patient": case.patient, "network": "teacher", "phases": letter}
        rows += [
            about | (row if row["label"] in learned else row | _unlearned())
            for row in evaluate(case.truth, predicted, case.spacing, labels)
        ]
    about = {"patient": case.patient, "network": "student", "phases": "A+V"}
    twice = [f"{case.stand_in} phase twice"] if case.stand_in else []
    return rows + [
        about | row | {"note": "; ".join([*twice, *filter(None, [row["note"]])])}
        for row in evaluate(case.truth, student, case.spacing, labels)
    ]


def labels_in(records: Iterable[dict]) -> set[int]:
    """Labels that at least one mask shows, by the records of `cohort.masks`."""
    return {int(label) for record in records for label in record.get("volume_mm3", {})}


def _unlearned():
    measures = ("predicted_voxels", "dice", "asd_mm", "hd_mm", "hd95_mm")
    return dict.fromkeys(measures) | {"note": UNLEARNED}


def thick_slices(count: int, spacing_z: float, thick_mm: float) -> np.ndarray:
    """Indices of the slices nearest to positions `thick_mm` apart, the first slice among them."""
    positions = np.arange(0, (count - 1) * spacing_z + 1e-6, thick_mm)
    return np.unique(np.minimum(np.rint(positions / spacing_z), count - 1).astype(int))
