"""One patient's lymph nodes against the annotated ones."""

from dataclasses import dataclass, replace

import numpy as np

from nodestage.core.instances import is_positive
from nodestage.metrics.arrays import box_around, labels_of, same_shape
from nodestage.metrics.counts import measures
from nodestage.metrics.instances import IOU, label_instances, match_instances, matched_pairs
from nodestage.metrics.short_axis import short_axis_mm
from nodestage.metrics.voxels import voxel_counts

CLASSES = {"any": (1, 2), "negative": (1,), "positive": (2,)}  # values of a lymph-node mask
PLACES = ("inside an organ", "beyond range", "in range")


@dataclass(frozen=True)
class Context:
    """What an evaluation may use beside the masks, each optional.

    Attributes
    ----------
    organs : label map (z, y, x), 0 outside every organ
    attention : map (z, y, x) in [0, 1]
    stations : {true instance: station}, instances as `label_instances(truth)` counts
    confidence : {instance label: number} by which FROC orders candidates; `p_positive` if absent
    """

    organs: np.ndarray | None = None
    attention: np.ndarray | None = None
    stations: dict | None = None
    confidence: dict | None = None

    def within(self, box):
        """The same inside a box of the image."""
        maps = (
            None if array is None else np.asarray(array)[box]
            for array in (self.organs, self.attention)
        )
        return Context(*maps, self.stations, self.confidence)


def evaluate_lymph_nodes(truth, instances, p_positive, spacing, iou=IOU, context=None):
    """Everything that Tables IV and V and the pictures beside them need of one patient.

    Parameters
    ----------
    truth : lymph-node mask (z, y, x): 0 none, 1 negative, 2 positive
    instances : predicted instance label map (z, y, x), 0 background
    p_positive : {instance label: probability of metastasis}
    spacing : (z, y, x) in mm
    context : Context, or None

    Returns
    -------
    dict of lists of rows:
      `classes`: one row for any, positive, negative with dice, recall, precision (voxels),
        f, instance_recall, instance_precision, the counts of both, `truth_nodes`,
        `predicted_nodes` and `empty` (both, truth, prediction or nothing);
      `nodes`: one per true node with class, volume_mm3, short_axis_mm, station, found (0/1, by
        class-agnostic matching), found_as (positive, negative or nothing), iou;
      `candidates`: one per predicted instance with class, confidence, node (the true node it
        matches, or nothing) and, where it matches none and the maps are known, its place.
    """
    context = context or Context()
    truth, instances = same_shape(truth, instances)
    either = (truth != 0) | (instances != 0)
    if either.any():  # the rest of a scan holds nothing to count
        box = box_around(either, margin=1)
        truth, instances = truth[box], instances[box]
        context = context.within(box)
    instances = instances.astype(np.int64)
    nodes = label_instances(truth)
    labels = labels_of(instances)
    called = {int(label): is_positive(float(p_positive[int(label)])) for label in labels}
    positives = np.zeros(int(labels.max(initial=0)) + 1, bool)
    for label, positive in called.items():
        positives[label] = positive
    predicted_positive = positives[instances]

    rows = []
    for name, values in CLASSES.items():
        true_mask = np.isin(truth, values)
        kept = instances != 0
        if name != "any":
            kept &= predicted_positive == (name == "positive")
        rows.append(
            {"class": name}
            | _class_row(
                true_mask, kept, np.where(true_mask, nodes, 0), np.where(kept, instances, 0), iou
            )
        )

    pairs = matched_pairs(nodes, instances, iou)
    partner = {node: (label, value) for node, label, value in pairs}
    matched = {label: node for node, label, _ in pairs}
    context = replace(
        context, stations=context.stations or {}, confidence=context.confidence or p_positive
    )
    return {
        "classes": rows,
        "nodes": _node_rows((truth, nodes), spacing, partner, called, context.stations),
        "candidates": _candidate_rows(instances, called, matched, spacing, context),
    }


def place_of(mask, organs=None, attention=None):
    """Where a false positive lies: inside an organ, beyond every range, or in range.

    The larger part of its voxels decides: inside an organ when more than half of them carry
    an organ's label, else beyond range when attention is 0 on more than half. None without maps.

    Parameters
    ----------
    mask : one instance (z, y, x)
    organs : label map (z, y, x) or None
    attention : map (z, y, x) or None
    """
    if organs is not None and np.mean(np.asarray(organs)[mask] > 0) > 0.5:
        return PLACES[0]
    if attention is None:
        return None
    return PLACES[1] if np.mean(np.asarray(attention)[mask] <= 0) > 0.5 else PLACES[2]


def _class_row(true_mask, predicted_mask, nodes, instances, iou):
    voxels = voxel_counts(true_mask, predicted_mask)
    matches = match_instances(nodes, instances, iou)
    empty = {(0, 0): "both", (0, 1): "truth", (1, 0): "prediction", (1, 1): ""}
    return measures(voxels, matches) | {
        "tp": matches.tp,
        "fp": matches.fp,
        "fn": matches.fn,
        "voxel_tp": voxels.tp,
        "voxel_fp": voxels.fp,
        "voxel_fn": voxels.fn,
        "truth_nodes": matches.tp + matches.fn,
        "predicted_nodes": matches.tp + matches.fp,
        "empty": empty[bool(true_mask.any()), bool(predicted_mask.any())],
    }


def _node_rows(masks, spacing, partner, called, stations):
    """Rows of the true nodes; masks : (truth, its instance label map)."""
    from scipy import ndimage

    (truth, nodes), voxel_mm3 = masks, float(np.prod(spacing))
    rows = []
    for node, box in enumerate(ndimage.find_objects(nodes), start=1):
        if box is None:
            continue
        mask = nodes[box] == node
        label, value = partner.get(node, (None, None))
        rows.append(
            {
                "node": node,
                "class": "positive" if truth[box][mask][0] == 2 else "negative",
                "volume_mm3": int(mask.sum()) * voxel_mm3,
                "short_axis_mm": short_axis_mm(mask, spacing),
                "station": stations.get(node),
                "found": int(label is not None),
                "found_as": None
                if label is None
                else ("positive" if called[label] else "negative"),
                "iou": value,
            }
        )
    return rows


def _candidate_rows(instances, called, matched, spacing, context):
    """Rows of the predicted instances."""
    from scipy import ndimage

    boxes, voxel_mm3 = ndimage.find_objects(instances), float(np.prod(spacing))
    rows = []
    for label, positive in called.items():
        box = boxes[label - 1]
        mask = instances[box] == label
        place = None
        if label not in matched:
            inside = context.within(box)
            place = place_of(mask, inside.organs, inside.attention)
        rows.append(
            {
                "instance": label,
                "class": "positive" if positive else "negative",
                "volume_mm3": int(mask.sum()) * voxel_mm3,
                "confidence": float(context.confidence[label]),
                "node": matched.get(label),
                "place": place,
            }
        )
    return rows
