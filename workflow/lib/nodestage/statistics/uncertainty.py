"""Rows of uncertainty.tsv: how far the folds' models agree on each patient of an external center."""

import math
from typing import NamedTuple

import numpy as np

from nodestage.core import tables

COLUMNS = (
    "method",
    "patient",
    "probability",
    "folds",
    "sd",
    "lowest",
    "highest",
    "low",
    "high",
    "status_set",
)
SETS = {
    (False, False): "none",
    (True, False): "negative",
    (False, True): "positive",
    (True, True): "both",
}
EDGE = 1e-6
"""Probabilities are moved inside 0 and 1 by this before their logit is taken."""


class Spread(NamedTuple):
    """Agreement of several models on one patient: see `spread`."""

    sd: float
    lowest: float
    highest: float
    low: float
    high: float


def spread(probabilities, level=0.95):
    """SD and range of the folds' probabilities, and an interval for that of one more such model.

    The interval is Student's for one further value, on the logit scale. The folds' training patients
    overlap, so it is narrower than for a model with other training patients.

    Parameters
    ----------
    probabilities : of one patient by each fold's model (k,), k at least 2

    Returns
    -------
    Spread
    """
    from scipy.stats import t

    p = np.clip(np.asarray(probabilities, float), EDGE, 1 - EDGE)
    logit, k = np.log(p / (1 - p)), len(p)
    half = float(t.ppf(0.5 + level / 2, k - 1) * logit.std(ddof=1) * math.sqrt(1 + 1 / k))
    low, high = (1 / (1 + math.exp(-(logit.mean() + side * half))) for side in (-1, 1))
    values = np.asarray(probabilities, float)
    return Spread(float(values.std(ddof=1)), float(values.min()), float(values.max()), low, high)


def rows(method, parts, chosen=None):
    """Rows of one method at an external center, with or without a known status.

    Parameters
    ----------
    method : name
    parts : {fold0: prediction rows, ..., ensemble: rows}
    chosen : {patient: (negative, positive)}, whether its conformal set holds either status; or None

    Returns
    -------
    list of dicts with `COLUMNS`; none where only the ensemble's rows are known (a returned file) or
    the method has no probability
    """
    folds = [rows for name, rows in parts.items() if name != "ensemble"]
    if len(folds) < 2 or "ensemble" not in parts:
        return []
    by_patient: dict[str, list] = {}
    for row in (row for rows in folds for row in rows):
        by_patient.setdefault(row["patient"], []).append(tables.number(row["probability"]))
    made = []
    for row in parts["ensemble"]:
        probability = tables.number(row["probability"])
        probabilities = by_patient.get(row["patient"], [])
        if (
            math.isnan(probability)
            or len(probabilities) < len(folds)
            or np.isnan(probabilities).any()
        ):
            continue
        held = (chosen or {}).get(row["patient"])
        made.append(
            {"method": method, "patient": row["patient"], "probability": probability}
            | {"folds": len(probabilities)}
            | spread(probabilities)._asdict()
            | {"status_set": "" if held is None else SETS[tuple(map(bool, held))]}
        )
    return made


__all__ = ["COLUMNS", "SETS", "Spread", "rows", "spread"]
