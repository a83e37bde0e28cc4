"""What is known of one patient after scoring, as one record: the JSON beside the patient's page.

A number that a table holds stands here with the same digits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nodestage
from nodestage.core import tables
from nodestage.lymph_nodes import consensus
from nodestage.statistics import reference

ENSEMBLE = "ensemble"
NUMBERS = frozenset({*consensus.COLUMNS} - {"nearest_structure", "station"})


@dataclass(frozen=True)
class Tables:
    """The tables of one patient, cells as text.

    Attributes
    ----------
    predictions : {method: {part: row}}; parts are `fold0`, … and, of an external patient, `ensemble`
    folds : the folds that the score comes from
    thresholds : {method: threshold of the call: of the fold, or the mean over the folds}
    nodes : rows of the patient's nodes (`lymph_nodes.consensus`)
    instances : {fold: rows of its instance table}
    statistics : row of numbers on the examination; empty without images
    """

    predictions: Mapping[str, Mapping[str, Mapping[str, str]]]
    folds: Sequence[int]
    thresholds: Mapping[str, float] = field(default_factory=dict)
    nodes: Sequence[Mapping[str, str]] = ()
    instances: Mapping[int, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    statistics: Mapping[str, str] = field(default_factory=dict)


def predictions(paths: Sequence[str], patient: str) -> dict[str, dict[str, dict[str, str]]]:
    """{method: {part: the patient's row}} of results/predictions/{method}/{part}/{center}.tsv."""
    by_method: dict[str, dict[str, dict[str, str]]] = {}
    for path in map(Path, paths):
        method, part = path.parts[-3:-1]
        for row in tables.read(path):
            if row["patient"] == patient:
                by_method.setdefault(method, {})[part] = row
    return by_method


def record(
    patient: str,
    of: Tables,
    references: Sequence[Mapping[str, Any]],
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """One patient's record, for JSON.

    Parameters
    ----------
    patient : code
    of : Tables
    references : each fold's summary of its training patients; none where the bundle holds none
    about : further facts that are taken over: `model_digest`, `declared`, `flags`, `explained`, …

    Returns
    -------
    dict: `patient`, `nodestage`, what `about` has, `methods` ({method: score, probability,
    probability_of_folds (lowest and highest), call, threshold, reason, folds}), `nodes`, `training_patients`
    """
    return {
        "patient": patient,
        "nodestage": nodestage.__version__,
        "folds": list(of.folds),
        **about,
        "methods": {
            method: _scored(parts, of.thresholds.get(method), of.folds)
            for method, parts in of.predictions.items()
        },
        "nodes": [_numbers(row) for row in of.nodes],
        "training_patients": _compared(references, of),
    }


def _scored(parts, threshold, folds):
    whole = parts.get(ENSEMBLE) or parts[f"fold{folds[0]}"]
    each = [
        {"fold": fold, **{key: _number(parts[f"fold{fold}"][key]) for key in VALUES}}
        for fold in folds
    ]
    chances = [one["probability"] for one in each if one["probability"] is not None]
    several = len(chances) > 1 and len(chances) == len(folds)
    return {
        **{key: _number(whole[key]) for key in VALUES},
        "probability_of_folds": [min(chances), max(chances)] if several else None,
        "threshold": threshold,
        "reason": whole["reason"],
        "folds": each,
    }


VALUES = ("score", "probability", "call")


def _number(text):
    """A cell as a number; None where it is empty. A whole number of 0 or 1 stays one."""
    if text == "":
        return None
    return int(text) if text in ("0", "1") else float(text)


def _numbers(row):
    return {key: _number(row[key]) if key in NUMBERS else row[key] for key in row}


def _compared(references, of):
    """The examination compared with the training patients of each fold, and over the folds."""
    if not references or not of.statistics:
        return None
    numbers = {key: tables.number(text) for key, text in of.statistics.items() if key != "patient"}
    each = [
        {"fold": fold, "patients": summary["patients"]}
        | reference.compare(summary, numbers | consensus.totals(of.instances[fold]))
        for fold, summary in zip(of.folds, references, strict=True)
    ]
    known = [one for one in each if one["distance"] is not None]
    if not known:
        return {"distance": None, "reason": each[0].get("reason", ""), "folds": each}
    return {
        "distance": sum(one["distance"] for one in known) / len(known),
        "far_in": sum(one["far"] for one in known),
        "folds": each,
    }
