"""Rows of draw_next_patients.tsv and draw_next_nodes.tsv: whose lymph nodes to draw next.

Patients without drawn nodes, in the order of the models' disagreement (uncertainty sampling). Whether a network
gains more from these patients than from others drawn at random was not measured.
"""

import math

import numpy as np

from nodestage.core import tables

PATIENT_COLUMNS = (
    "rank",
    "patient",
    "doubt",
    "by",
    "probability",
    "lowest",
    "highest",
    "folds",
    "nodes",
    "doubtful_nodes",
)
NODE_COLUMNS = (
    "rank",
    "patient",
    "doubt",
    "doubt_node",
    "doubt_positive",
    "found_by",
    "folds",
    "p_node",
    "p_positive",
    "x",
    "y",
    "z",
    "volume_mm3",
    "short_axis_mm",
    "station",
    "other_stations",
)
VARIANT = "attention"
SAME_MM = 5.0
"""Centroids of two folds' nodes that lie this near are one node; our choice, the size of a small node."""

DOUBTFUL = 0.75
"""Doubt from which a node counts as doubtful: a probability between 0.25 and 0.75."""

SPREAD, NEAR_HALF = "spread over the folds", "probability near 0.5"


def both_tables(parts, undrawn, instances):
    """{"draw_next_patients.tsv": rows, "draw_next_nodes.tsv": rows}, the most doubtful first.

    Parameters
    ----------
    parts : {fold0: prediction rows, ...} of the declared method
    undrawn : {patient: folds that may score it}, patients with images and without drawn nodes: of the discovery
        center the fold that tests the patient, of an external center all folds
    instances : {fold0: rows of its table of instances, ...}
    """
    nodes = [row for patient, folds in undrawn.items() for row in _nodes(patient, folds, instances)]
    patients = [_patient(patient, folds, parts, nodes) for patient, folds in undrawn.items()]
    return {
        "draw_next_patients.tsv": _ranked([row for row in patients if row]),
        "draw_next_nodes.tsv": _ranked(nodes),
    }


def same_node(instances, same_mm=SAME_MM):
    """Instances of several folds joined into nodes by their centroids, at most one of a fold in a node.

    Parameters
    ----------
    instances : [(fold, instance row with `x`, `y`, `z` in mm and `confidence`)]

    Returns
    -------
    list of {fold: row}; the most confident is joined first, each to the nearest within `same_mm`
    """
    order = sorted(
        instances,
        key=lambda pair: (-tables.number(pair[1]["confidence"]), pair[0], _center(pair[1])),
    )
    nodes: list[dict] = []
    for fold, row in order:
        near = [
            (math.dist(_center(row), _center(next(iter(node.values())))), i)
            for i, node in enumerate(nodes)
            if fold not in node
        ]
        distance, index = min(near, default=(math.inf, -1))
        if distance <= same_mm:
            nodes[index][fold] = row
        else:
            nodes.append({fold: row})
    return nodes


def doubt_of(probability):
    """4 p (1 − p): 1 at a probability of 0.5, 0 at 0 and 1."""
    return 4 * probability * (1 - probability)


def _nodes(patient, folds, instances):
    candidates = [
        (fold, row)
        for fold in folds
        for row in instances.get(fold, [])
        if row["patient"] == patient and row["variant"] == VARIANT
    ]
    for node in same_node(candidates):
        # A fold that did not segment it counts as a probability of 0.
        p_node = sum(_p_node(row) for row in node.values()) / len(folds)
        positive = [tables.number(row["p_positive"]) for row in node.values()]
        p_positive = float(np.mean(positive))
        surest = next(iter(node.values()))
        doubts = {"doubt_node": doubt_of(p_node), "doubt_positive": doubt_of(p_positive)}
        yield {
            "patient": patient,
            "doubt": max(doubts.values()),
            **doubts,
            "found_by": len(node),
            "folds": len(folds),
            "p_node": p_node,
            "p_positive": p_positive,
            **{c: tables.number(surest[c]) for c in ("x", "y", "z", "volume_mm3", "short_axis_mm")},
            **{c: surest.get(c, "") for c in ("station", "other_stations")},
        }


def _p_node(row):
    """Probability that an instance is a lymph node: the forest's, else the network's."""
    value = tables.number(row.get("p_node"))
    return tables.number(row["confidence"]) if math.isnan(value) else value


def _patient(patient, folds, parts, nodes):
    """The row of a patient, or None without a probability by each fold."""
    of_patient = [node for node in nodes if node["patient"] == patient]
    probabilities = [
        tables.number(row["probability"])
        for fold in folds
        for row in parts.get(fold, [])
        if row["patient"] == patient
    ]
    if len(probabilities) < len(folds) or not probabilities or np.isnan(probabilities).any():
        return None
    mean = float(np.mean(probabilities))
    several = len(probabilities) > 1
    return {
        "patient": patient,
        "doubt": float(np.std(probabilities, ddof=1)) if several else 0.5 - abs(mean - 0.5),
        "by": SPREAD if several else NEAR_HALF,
        "probability": mean,
        "lowest": min(probabilities) if several else None,
        "highest": max(probabilities) if several else None,
        "folds": len(probabilities),
        "nodes": len(of_patient),
        "doubtful_nodes": sum(node["doubt"] >= DOUBTFUL for node in of_patient),
    }


def _ranked(rows):
    sort_keys = [
        (-row["doubt"], row["patient"], row.get("x", 0.0), row.get("z", 0.0)) for row in rows
    ]
    order = sorted(range(len(rows)), key=sort_keys.__getitem__)
    return [{"rank": rank, **rows[i]} for rank, i in enumerate(order, start=1)]


def _center(row):
    return tuple(tables.number(row[axis]) for axis in ("x", "y", "z"))


__all__ = ["NODE_COLUMNS", "PATIENT_COLUMNS", "both_tables", "doubt_of", "same_node"]
