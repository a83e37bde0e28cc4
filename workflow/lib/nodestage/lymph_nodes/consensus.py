"""The lymph nodes of one patient, over the folds that score the patient.

The networks of each fold number their nodes independently. Nodes of several folds are one node where they
overlap as detected nodes do (IoU of 0.3, `metrics.matched_pairs`).
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from scipy import ndimage

from nodestage.core import tables
from nodestage.core.instances import is_positive
from nodestage.metrics.instances import matched_pairs
from nodestage.metrics.short_axis import short_axis_mm

COLUMNS = (
    "node",
    "volume_mm3",
    "short_axis_mm",
    "p_positive",
    "positive",
    "p_node",
    "found_in",
    "folds",
    "x",
    "y",
    "z",
    "nearest_structure",
    "distance_mm",
    "station",
)
VARIANT = "attention"  # the variant whose nodes the scores of patients use


def totals(rows: Iterable[Mapping[str, str]]) -> dict[str, float]:
    """Number and volume (ml) of one patient's nodes in one fold: `nodes`, `nodes_ml`.

    rows : those of an instance table, as text; only the variant `attention` counts
    """
    volumes = [tables.number(row["volume_mm3"]) for row in rows if row["variant"] == VARIANT]
    return {"nodes": float(len(volumes)), "nodes_ml": sum(volumes) / 1000}


def merge_folds(
    instances: Sequence[np.ndarray],
    rows: Sequence[Sequence[Mapping[str, str]]],
    spacing: Sequence[float],
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """The nodes that any fold segmented, each once.

    Parameters
    ----------
    instances : one integer array (z, y, x) per fold, its nodes numbered from 1
    rows : the patient's rows of each fold's instance table, as text, in the same order
    spacing : (z, y, x), mm

    Returns
    -------
    uint16 array (z, y, x) : nodes numbered from 1; a voxel belongs to a node if at least half of
        the folds that segmented the node agree
    list of dicts with `COLUMNS`, by falling probability: volume and short axis are those of the mask returned,
        `p_positive` (and `p_node`, where candidates are classified) the mean over the folds that
        segmented it, `found_in` their number of `folds`; `nearest_structure`, `distance_mm` and `station`
        are those of the first of them. With one fold the numbers are that fold's.
    """
    boxes = [_boxes(array) for array in instances]
    groups = _groups(instances, boxes)
    labels = _majority(instances, boxes, groups)
    nodes = []
    for number, box in _boxes(
        labels
    ).items():  # a group whose voxels all went to other groups is left out
        group, inside = groups[number - 1], labels[box] == number
        members = [_row(rows[fold], instance) for fold, instance in group.items()]
        nodes.append((number, _described(inside, members, len(instances), spacing)))
    nodes.sort(key=lambda entry: (-entry[1]["p_positive"], -entry[1]["volume_mm3"], entry[0]))
    order = np.zeros(len(groups) + 1, np.uint16)
    for number_of_node, (number, row) in enumerate(nodes, start=1):
        order[number] = number_of_node
        row["node"] = number_of_node
    return order[labels], [{c: row.get(c) for c in COLUMNS} for _, row in nodes]


def _groups(instances, boxes):
    """[{fold: instance}] of each node; boxes : those of each fold's instances."""
    groups: list[dict[int, int]] = []
    seen = np.zeros(instances[0].shape, np.uint16)  # each group as its first fold segmented it
    for fold, array in enumerate(instances):
        pairs = {ours: group for group, ours, _ in matched_pairs(seen, array)} if fold else {}
        for instance, box in boxes[fold].items():
            if instance in pairs:
                groups[pairs[instance] - 1][fold] = instance
            else:
                groups.append({fold: instance})
                part = seen[box]
                part[(array[box] == instance) & (part == 0)] = len(groups)
    return groups


def _majority(instances, boxes, groups):
    """Number of the group of each voxel, from 1; of several, that on which most folds agree."""
    labels = np.zeros(instances[0].shape, np.uint16)
    best = np.zeros(labels.shape, np.uint8)
    for number, group in enumerate(groups, start=1):
        box = _around([boxes[fold][instance] for fold, instance in group.items()])
        votes = sum((instances[f][box] == i).astype(np.uint8) for f, i in group.items())
        better = (2 * votes >= len(group)) & (votes > best[box])
        labels[box][better], best[box][better] = number, votes[better]
    return labels


def _boxes(labels):
    """{number: its box, a slice per axis} of a label map: nodes are small, and a CT is not."""
    boxes = ndimage.find_objects(labels.astype(np.int32, copy=False))
    return {number: box for number, box in enumerate(boxes, start=1) if box is not None}


def _around(boxes):
    """The smallest box around some boxes."""
    return tuple(
        slice(min(one.start for one in sides), max(one.stop for one in sides))
        for sides in zip(*boxes, strict=True)
    )


def _row(rows, instance):
    return next(row for row in rows if int(row["instance"]) == instance)


def _described(inside, members, folds, spacing):
    probability = _mean(members, "p_positive")
    return {
        "volume_mm3": int(inside.sum()) * float(np.prod(spacing)),
        "short_axis_mm": short_axis_mm(inside, spacing),
        "p_positive": probability,
        "positive": int(is_positive(probability)),
        "p_node": _mean(members, "p_node") if members[0].get("p_node") else None,
        "found_in": len(members),
        "folds": folds,
        **{axis: _mean(members, axis) for axis in "xyz"},
        **{key: members[0][key] for key in ("nearest_structure", "distance_mm", "station")},
    }


def _mean(members, column):
    return fmean(tables.number(row[column]) for row in members)
