"""How well masks, instances and surfaces agree with the truth.

Arrays are (z, y, x); spacing is in mm in that order. A measure that is not defined is None,
never 0 and never NaN, so that no mean can take it in unseen. Conventions:

* Dice, recall, precision of two empty masks: undefined, the patient is left out and counted.
  Truth empty, prediction not: Dice, precision and F are 0, recall is undefined.
  Prediction empty, truth not: all are 0.
* Instances are 26-connected components of one label value; a match is one-to-one (Hungarian)
  at IoU >= 0.3.
* A surface voxel belongs to the mask and has one of its 26 neighbours outside the mask; what
  lies beyond the image counts as neither, as in SimpleITK's SignedMaurerDistanceMap.
"""

from typing import NamedTuple

import numpy as np

from nodestage.lymph_nodes.table import is_positive

IOU = 0.3  # IV-D of the paper
CLASSES = {"any": (1, 2), "negative": (1,), "positive": (2,)}  # values of a lymph-node mask
SHORT_AXIS_MM = (5.0, 10.0)  # borders between small, middle and large nodes
PLACES = ("inside an organ", "beyond range", "in range")


class Matches(NamedTuple):
    """Numbers of instances: found, made up, missed."""

    tp: int
    fp: int
    fn: int


class SurfaceDistances(NamedTuple):
    """Distances between two surfaces in mm; None where one of the masks has no surface."""

    asd: float | None
    hd: float | None
    hd95: float | None


class Overlap(NamedTuple):
    """Shares between 0 and 1, None where undefined."""

    dice: float | None
    recall: float | None
    precision: float | None


# ---------------------------------------------------------------------------- voxels


def rates(tp, fp, fn):
    """Dice (or F), recall and precision from counts, by the rules for empty masks.

    Parameters
    ----------
    tp, fp, fn : numbers of voxels or instances

    Returns
    -------
    Overlap
    """
    tp, fp, fn = int(tp), int(fp), int(fn)
    if tp + fp + fn == 0:
        return Overlap(None, None, None)
    truth, predicted = tp + fn, tp + fp
    return Overlap(
        2 * tp / (truth + predicted),
        tp / truth if truth else None,
        tp / predicted if predicted else 0.0,
    )


def voxel_counts(truth, prediction):
    """True positive, false positive and false negative voxels of two masks (z, y, x)."""
    truth, prediction = _pair(truth, prediction)
    both = int(np.count_nonzero(truth & prediction))
    return Matches(
        both, int(np.count_nonzero(prediction)) - both, int(np.count_nonzero(truth)) - both
    )


def overlap(truth, prediction):
    """Dice, recall and precision of two masks (z, y, x), each None where undefined."""
    return rates(*voxel_counts(truth, prediction))


def dice(truth, prediction):
    """Dice of two masks (z, y, x); None when both are empty."""
    return overlap(truth, prediction).dice


def recall(truth, prediction):
    """Share of the truth's voxels that were found; None when the truth is empty."""
    return overlap(truth, prediction).recall


def precision(truth, prediction):
    """Share of the predicted voxels that are true; 0 when only the prediction is empty."""
    return overlap(truth, prediction).precision


# ---------------------------------------------------------------------------- surfaces


def surface_distances(a, b, spacing):
    """Symmetric distances between the surfaces of two masks.

    Parameters
    ----------
    a, b : masks (z, y, x)
    spacing : (z, y, x) in mm

    Returns
    -------
    SurfaceDistances, mm. `asd` is the mean over the surface voxels of both masks together,
    `hd` the largest distance, `hd95` the larger of the two directed 95th percentiles
    (numpy's linear interpolation). All are None when a mask is empty or fills the image.
    """
    import edt

    a, b = _pair(a, b)
    either = a | b
    if not a.any() or not b.any():
        return SurfaceDistances(None, None, None)
    box = _box(either, margin=1)  # one voxel more, so that a surface at the box is still one
    edges = [_surface(mask[box]) for mask in (a, b)]
    if not all(edge.any() for edge in edges):
        return SurfaceDistances(None, None, None)
    far = [
        edt.edt(np.ascontiguousarray(~edge), anisotropy=tuple(map(float, spacing)), parallel=1)
        for edge in edges
    ]
    a_to_b, b_to_a = (far[1][edges[0]].astype(float), far[0][edges[1]].astype(float))
    both = np.concatenate([a_to_b, b_to_a])
    return SurfaceDistances(
        float(both.mean()),
        float(both.max()),
        float(max(np.percentile(a_to_b, 95), np.percentile(b_to_a, 95))),
    )


def evaluate_segmentation(truth, prediction, spacing):
    """Dice and surface distances of one structure, as a row of Table III.

    Returns
    -------
    dict with dice, asd_mm, hd_mm, hd95_mm and `note` (why a value is missing)
    """
    truth, prediction = _pair(truth, prediction)
    distances = surface_distances(truth, prediction, spacing)
    note = ""
    if distances.asd is None:
        empty = [
            name for name, mask in (("truth", truth), ("prediction", prediction)) if not mask.any()
        ]
        note = f"{' and '.join(empty)} empty" if empty else "a mask fills the image"
    return {
        "dice": dice(truth, prediction),
        "asd_mm": distances.asd,
        "hd_mm": distances.hd,
        "hd95_mm": distances.hd95,
        "note": note,
    }


def _surface(mask):
    """Voxels of `mask` with one of 26 neighbours outside; beyond the image is not outside."""
    from scipy import ndimage

    return mask & ~ndimage.binary_erosion(mask, np.ones((3, 3, 3), bool), border_value=1)


# ---------------------------------------------------------------------------- instances


def label_instances(mask):
    """26-connected components per label value: touching nodes of two classes stay apart.

    Parameters
    ----------
    mask : integer array (z, y, x), 0 background

    Returns
    -------
    uint32 array (z, y, x), instances numbered from 1
    """
    import cc3d

    return cc3d.connected_components(
        np.ascontiguousarray(mask).astype(np.uint8), connectivity=26, out_dtype=np.uint32
    )


def match_instances(truth, prediction, iou=IOU):
    """Numbers of found, made-up and missed instances under one-to-one matching.

    Parameters
    ----------
    truth, prediction : instance label maps (z, y, x), 0 background
    iou : smallest intersection over union that counts as a match

    Returns
    -------
    Matches
    """
    pairs = matched_pairs(truth, prediction, iou)
    return Matches(
        len(pairs), len(_labels(prediction)) - len(pairs), len(_labels(truth)) - len(pairs)
    )


def matched_pairs(truth, prediction, iou=IOU):
    """The one-to-one assignment with the largest sum of IoU among pairs with IoU >= `iou`.

    Parameters
    ----------
    truth, prediction : instance label maps (z, y, x), 0 background

    Returns
    -------
    list of (truth label, prediction label, IoU), by truth label
    """
    from scipy.optimize import linear_sum_assignment

    truth, prediction = _same_shape(truth, prediction)
    true_labels, true_sizes = _labels(truth, sizes=True)
    labels, sizes = _labels(prediction, sizes=True)
    both = (truth != 0) & (prediction != 0)
    if not both.any():
        return []
    t = np.searchsorted(true_labels, truth[both])
    p = np.searchsorted(labels, prediction[both])
    shared = np.zeros((len(true_labels), len(labels)))
    np.add.at(shared, (t, p), 1)
    value = shared / (true_sizes[:, None] + sizes[None, :] - shared)
    allowed = value >= iou - 1e-12  # 3 of 10 voxels are 0.3, whatever binary fractions say
    rows, columns = linear_sum_assignment(np.where(allowed, value, 0.0), maximize=True)
    return [
        (int(true_labels[i]), int(labels[j]), float(value[i, j]))
        for i, j in zip(rows, columns, strict=True)
        if allowed[i, j]
    ]


def short_axis_mm(mask, spacing):
    """Short axis of one node: widest extent at right angles to the longest diameter, mm.

    Measured as radiologists do, in the axial slice where the node is largest, between the
    outer corners of its pixels; a single voxel has its own pixel's size.

    Parameters
    ----------
    mask : (z, y, x), one node
    spacing : (z, y, x) in mm
    """
    from scipy.spatial import ConvexHull

    mask = np.asarray(mask, bool)
    z = int(np.argmax(mask.sum(axis=(1, 2))))  # the lowest of equally large slices
    pixels = np.argwhere(mask[z]).astype(float)
    if not len(pixels):
        raise ValueError("the mask of a node holds no voxel")
    corners = (pixels[:, None, :] + _CORNERS[None]).reshape(-1, 2) * np.asarray(spacing[1:], float)
    corners = corners[ConvexHull(corners).vertices]
    between = corners[:, None, :] - corners[None, :, :]
    length = np.sqrt((between**2).sum(-1))
    # Several diameters can be the longest, in a square for example: the narrowest width counts.
    widths = []
    for i, j in np.argwhere(np.triu(length >= length.max() - 1e-9, 1)):
        along = between[i, j] / length[i, j]
        across = corners @ np.array([-along[1], along[0]])
        widths.append(across.max() - across.min())
    # A square's diagonal is as wide as long; its caliper width is the honest number there.
    return float(min(min(widths), _caliper(corners)))


_CORNERS = np.array([(-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)])


def _caliper(corners):
    """Smallest distance between two parallel lines that hold a convex polygon (ordered)."""
    edges = np.roll(corners, -1, axis=0) - corners
    normals = np.stack([-edges[:, 1], edges[:, 0]], 1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    reach = corners @ normals.T
    return float((reach.max(0) - reach.min(0)).min())


# ---------------------------------------------------------------------------- lymph nodes


def evaluate_lymph_nodes(
    truth,
    instances,
    p_positive,
    spacing,
    iou=IOU,
    organs=None,
    attention=None,
    truth_stations=None,
    confidence=None,
):
    """Everything that Tables IV and V and the pictures beside them need of one patient.

    Parameters
    ----------
    truth : lymph-node mask (z, y, x): 0 none, 1 negative, 2 positive
    instances : predicted instance label map (z, y, x), 0 background
    p_positive : {instance label: probability of metastasis}
    spacing : (z, y, x) in mm
    organs : label map (z, y, x), 0 outside every organ; optional
    attention : map (z, y, x) in [0, 1]; optional
    truth_stations : {truth instance: station}, instances as `label_instances(truth)` counts
    confidence : {instance label: number} by which FROC orders candidates; `p_positive` if absent

    Returns
    -------
    dict of lists of rows:
      `classes`: one row for any, positive, negative with dice, recall, precision (voxels),
        f, instance_recall, instance_precision, the counts of both, `truth_nodes`,
        `predicted_nodes` and `empty` (both, truth, prediction or nothing);
      `nodes`: one a true node with class, volume_mm3, short_axis_mm, station, found (0/1, by
        class-agnostic matching), found_as (positive, negative or nothing), iou;
      `candidates`: one a predicted instance with class, confidence, node (the true node it
        matches, or nothing) and, where it matches none and maps are given, its place.
    """
    truth, instances = _same_shape(truth, instances)
    either = (truth != 0) | (instances != 0)
    if either.any():  # the rest of a scan holds nothing to count
        box = _box(either, margin=1)
        truth, instances = truth[box], instances[box]
        organs, attention = (
            None if array is None else np.asarray(array)[box] for array in (organs, attention)
        )
    instances = instances.astype(np.int64)
    nodes = label_instances(truth)
    labels = _labels(instances)
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
    voxel_mm3 = float(np.prod(spacing))
    return {
        "classes": rows,
        "nodes": _node_rows(
            truth, nodes, spacing, voxel_mm3, partner, called, truth_stations or {}
        ),
        "candidates": _candidate_rows(
            instances, called, confidence or p_positive, voxel_mm3, matched, organs, attention
        ),
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
    by_voxel, by_instance = rates(*voxels), rates(*matches)
    empty = {(0, 0): "both", (0, 1): "truth", (1, 0): "prediction", (1, 1): ""}
    return {
        "dice": by_voxel.dice,
        "recall": by_voxel.recall,
        "precision": by_voxel.precision,
        "f": by_instance.dice,
        "instance_recall": by_instance.recall,
        "instance_precision": by_instance.precision,
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


def _node_rows(truth, nodes, spacing, voxel_mm3, partner, called, stations):
    from scipy import ndimage

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


def _candidate_rows(instances, called, confidence, voxel_mm3, matched, organs, attention):
    from scipy import ndimage

    boxes = ndimage.find_objects(instances)
    rows = []
    for label, positive in called.items():
        box = boxes[label - 1]
        mask = instances[box] == label
        place = None
        if label not in matched:
            place = place_of(
                mask,
                None if organs is None else organs[box],
                None if attention is None else attention[box],
            )
        rows.append(
            {
                "instance": label,
                "class": "positive" if positive else "negative",
                "volume_mm3": int(mask.sum()) * voxel_mm3,
                "confidence": float(confidence[label]),
                "node": matched.get(label),
                "place": place,
            }
        )
    return rows


# ---------------------------------------------------------------------------- over patients

MEASURES = ("dice", "recall", "precision", "f", "instance_recall", "instance_precision")


def patient_mean(rows, measures=MEASURES):
    """Means over patients of per-patient rates; undefined values are left out and counted.

    Parameters
    ----------
    rows : per-patient rows of one class and variant (see `evaluate_lymph_nodes`)

    Returns
    -------
    dict: each measure's mean (None when no patient defines it) and `n_{measure}`, the number
    of patients in it; `n`, all patients; `both_empty`, those left out altogether
    """
    result = {"n": len(rows), "both_empty": sum(row["empty"] == "both" for row in rows)}
    for measure in measures:
        values = [row[measure] for row in rows if row[measure] is not None]
        result[measure] = float(np.mean(values)) if values else None
        result[f"n_{measure}"] = len(values)
    return result


def pooled(rows):
    """The same rates from counts summed over patients: large patients weigh more."""
    total = {
        key: sum(int(row[key]) for row in rows)
        for key in ("tp", "fp", "fn", "voxel_tp", "voxel_fp", "voxel_fn")
    }
    by_voxel = rates(total["voxel_tp"], total["voxel_fp"], total["voxel_fn"])
    by_instance = rates(total["tp"], total["fp"], total["fn"])
    return total | {
        "n": len(rows),
        "dice": by_voxel.dice,
        "recall": by_voxel.recall,
        "precision": by_voxel.precision,
        "f": by_instance.dice,
        "instance_recall": by_instance.recall,
        "instance_precision": by_instance.precision,
    }


def froc(candidates, truth_nodes, patients):
    """Free-response curve: recall over false positives per patient as the threshold falls.

    Parameters
    ----------
    candidates : rows with `confidence` and `node` (None for a false positive)
    truth_nodes : number of true nodes over all patients, those without any candidate too
    patients : number of patients, those without nodes too

    Returns
    -------
    list of {threshold, false_positives_per_patient, recall}, from the strictest threshold on;
    recall is None when there is no true node. Candidates of one confidence enter together, those
    without any last (threshold None).
    """
    if patients < 1:
        raise ValueError(f"FROC needs at least one patient, got {patients}")
    if not candidates:
        return []
    confidence = np.array([confidence_of(row) for row in candidates])
    hit = np.array([row["node"] not in (None, "") for row in candidates])
    order = np.argsort(-confidence, kind="stable")
    confidence, hit = confidence[order], hit[order]
    last = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True))
    return [
        {
            "threshold": float(confidence[i]) if np.isfinite(confidence[i]) else None,
            "false_positives_per_patient": float(wrong / patients),
            "recall": float(found / truth_nodes) if truth_nodes else None,
        }
        for i, found, wrong in zip(last, np.cumsum(hit)[last], np.cumsum(~hit)[last], strict=True)
    ]


def confidence_of(candidate):
    """A candidate's confidence; below all others where there is none."""
    value = candidate["confidence"]
    value = float("nan") if value in (None, "") else float(value)
    return -np.inf if np.isnan(value) else value


def short_axis_class(short_axis):
    """The size class of a node: `< 5 mm`, `5-10 mm` or `> 10 mm`."""
    small, large = SHORT_AXIS_MM
    if short_axis < small:
        return f"< {small:g} mm"
    return f"{small:g}-{large:g} mm" if short_axis <= large else f"> {large:g} mm"


def recall_by(nodes, key):
    """Recall within groups of true nodes.

    Parameters
    ----------
    nodes : rows of true nodes (`evaluate_lymph_nodes`)
    key : `short_axis`, or a column such as `station` or `class`

    Returns
    -------
    list of {group, n, found, recall}, by group, the size classes from small to large and each of
    them; nodes without a value form the group `unknown`, the last. `recall` is None without nodes
    """
    groups = dict.fromkeys(map(short_axis_class, (0, *SHORT_AXIS_MM[1:], np.inf)), ())
    groups = groups if key == "short_axis" else {}
    for node in sorted(nodes, key=lambda node: _order(group_of(node, key))):
        group = group_of(node, key)
        groups[group] = (*groups.get(group, ()), int(node["found"]))
    return [
        {
            "group": group,
            "n": len(found),
            "found": sum(found),
            "recall": sum(found) / len(found) if found else None,
        }
        for group, found in groups.items()
    ]


def group_of(node, key):
    """The group of a true node under `recall_by`'s key."""
    if key == "short_axis":
        return short_axis_class(float(node["short_axis_mm"]))
    return "unknown" if node[key] in (None, "") else str(node[key])


def _order(group):
    """Stations by their numbers ("5/6" before "10"), words by the alphabet, `unknown` last."""
    numbers = tuple(int(n) for n in group.split("/") if n.isdigit())
    return group == "unknown", numbers, group


def false_positives_by_place(candidates, patients):
    """False positives per patient by place, each place printed even when it holds none.

    Parameters
    ----------
    candidates : rows with `node` and `place`
    patients : number of patients

    Returns
    -------
    list of {place, n, per_patient}
    """
    false = [row.get("place") for row in candidates if row["node"] in (None, "")]
    places = list(PLACES) + (["unknown"] if any(place in (None, "") for place in false) else [])
    return [
        {"place": place, "n": n, "per_patient": n / patients}
        for place, n in ((p, sum((f or "unknown") == p for f in false)) for p in places)
    ]


# ---------------------------------------------------------------------------- arrays


def _labels(array, sizes=False):
    """Labels above 0, ascending; with `sizes` also their numbers of voxels."""
    array = np.asarray(array)
    labels, counts = np.unique(array[array != 0], return_counts=True)
    return (labels, counts) if sizes else labels


def _same_shape(a, b):
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        raise ValueError(f"wanted arrays of one shape, got {a.shape} and {b.shape}")
    return a, b


def _pair(a, b):
    a, b = _same_shape(a, b)
    return a.astype(bool), b.astype(bool)


def _box(mask, margin):
    """Slices of the smallest box around `mask`, wider by `margin` voxels within the image."""
    box = []
    for axis in range(mask.ndim):
        line = np.flatnonzero(mask.any(axis=tuple(i for i in range(mask.ndim) if i != axis)))
        box.append(slice(max(line[0] - margin, 0), min(line[-1] + margin + 1, mask.shape[axis])))
    return tuple(box)
