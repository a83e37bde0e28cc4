"""One method's patients, labels, scores and calls, and the patients without them, with reasons."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nodestage.core import tables
from nodestage.statistics import rates


@dataclass(frozen=True)
class Scored:
    """The predictions of one method for the labelled patients of one center.

    Attributes
    ----------
    method : name
    ranked : whether its scores rank patients (a yes/no report's do not)
    patients : codes, (n,)
    y : labels (n,), 0 or 1
    score, probability, call : (n,), NaN where there is none
    fold : test fold of each patient (n,), or None for an external center
    missing : list of {method, patient, reason}, unlabelled patients included
    """

    method: str
    ranked: bool
    patients: list
    y: np.ndarray
    score: np.ndarray
    probability: np.ndarray
    call: np.ndarray
    fold: np.ndarray | None
    missing: list

    def of(self, metric):
        """Values (n,) that a metric is computed from."""
        return getattr(self, rates.takes(metric))

    def known(self, metric):
        """Mask (n,) of the patients whose value exists."""
        return ~np.isnan(self.of(metric))

    def only(self, keep):
        """The same method on some of the patients, by a mask (n,) or by their indices, in order."""
        return Scored(
            self.method,
            self.ranked,
            [self.patients[i] for i in np.arange(len(self.patients))[keep]],
            self.y[keep],
            self.score[keep],
            self.probability[keep],
            self.call[keep],
            None if self.fold is None else self.fold[keep],
            self.missing,
        )


def read(paths, methods, scored):
    """Prediction tables of a center, {method: {fold0: rows, ..., ensemble: rows}}.

    Parameters
    ----------
    paths : files, method by method, of each its parts
    scored : {part: patients that must have a row}, of fold0, ... and, for an external center, ensemble
    """
    paths = iter(paths)
    return {
        method: {part: tables.read_patients(next(paths), who) for part, who in scored.items()}
        for method in methods
    }


def by_fold(paths):
    """{fold0: rows, ...} of tables that lie in `.../fold0/<folder>/`, those of a fold joined."""
    rows = {}
    for path in paths:
        rows.setdefault(Path(path).parent.parent.name, []).extend(tables.read(path))
    return rows


def labels_of(sheet_rows):
    """{patient: 0 or 1} of the patients whose status is known."""
    return {
        row["patient"]: int(float(row["metastasis"]))
        for row in sheet_rows
        if row.get("metastasis") not in (None, "")
    }


def scored(method, parts, role, sheet_rows, settings=None):
    """Bring one method's prediction rows and the sheet together.

    Parameters
    ----------
    method : name
    parts : {fold0: rows, ..., ensemble: rows}, or the rows themselves for an external center
    role : discovery (each patient from the fold that tested it) or external (the ensemble)
    sheet_rows : rows of the center's patients with `patient` and `metastasis`
    settings : {method: {threshold: bool}}; a method that isn't named has a threshold

    Returns
    -------
    Scored
    """
    labels = labels_of(sheet_rows)
    rows = _rows(parts, role)
    by_patient = {row["patient"]: (fold, row) for fold, row in rows}
    kept, missing = [], []
    for row in sorted(sheet_rows, key=lambda r: r["patient"]):
        patient = row["patient"]
        fold, prediction = by_patient.get(patient, (None, None))
        reason = ""
        if patient not in labels:
            reason = "metastasis is not known"
        elif prediction is None:
            reason = "no prediction row"
        elif prediction["score"] in (None, "") or prediction["call"] in (None, ""):
            reason = prediction.get("reason") or "no score and no reason"
        if reason:
            missing.append({"method": method, "patient": patient, "reason": reason})
        if patient in labels:
            kept.append((patient, fold, prediction or {}))
    columns = {
        key: np.array([tables.number(row.get(key)) for _, _, row in kept], float)
        for key in ("score", "probability", "call")
    }
    by_fold = None
    if role == "discovery":
        by_fold = np.array([fold or "" for _, fold, _ in kept], dtype=str)
    return Scored(
        method,
        bool(((settings or {}).get(method) or {}).get("threshold", True)),
        [patient for patient, _, _ in kept],
        np.array([labels[patient] for patient, _, _ in kept], int),
        **columns,
        fold=by_fold,
        missing=missing,
    )


def by_content(all_scored):
    """All methods over the same patients, in an order that only their labels and scores decide.

    A bootstrap draws indices, so that another order gives slightly other intervals. By this rule a
    center has the same ones here and where it was scored, whatever its patients are called.

    Parameters
    ----------
    all_scored : list of Scored over the same patients
    """
    keys = [column for s in all_scored for column in (s.call, s.probability, s.score)]
    if not keys:
        return []
    order = np.lexsort([*reversed(keys), all_scored[0].y])
    return [scored.only(order) for scored in all_scored]


def _rows(parts, role):
    """(fold, row) of each patient's one row."""
    if not isinstance(parts, dict):
        return [("", row) for row in parts]
    if role != "discovery":
        return [("", row) for row in parts.get("ensemble", [])]
    return [
        (str(name), row)
        for name, rows in parts.items()
        if name != "ensemble"
        for row in rows
        if row["subset"] == "test"
    ]
