"""Instances of a mask, and which of two masks are the same node."""

import numpy as np

from nodestage.metrics.arrays import labels_of, same_shape
from nodestage.metrics.counts import Matches

IOU = 0.3  # IV-D of the paper


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
    """Numbers of true-positive, false-positive and missed instances under one-to-one matching.

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
        len(pairs), len(labels_of(prediction)) - len(pairs), len(labels_of(truth)) - len(pairs)
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

    truth, prediction = same_shape(truth, prediction)
    true_labels, true_sizes = labels_of(truth, sizes=True)
    labels, sizes = labels_of(prediction, sizes=True)
    both = (truth != 0) & (prediction != 0)
    if not both.any():
        return []
    t = np.searchsorted(true_labels, truth[both])
    p = np.searchsorted(labels, prediction[both])
    shared = np.zeros((len(true_labels), len(labels)))
    np.add.at(shared, (t, p), 1)
    value = shared / (true_sizes[:, None] + sizes[None, :] - shared)
    allowed = value >= iou - 1e-12  # 3 of 10 voxels are 0.3, despite binary rounding
    rows, columns = linear_sum_assignment(np.where(allowed, value, 0.0), maximize=True)
    return [
        (int(true_labels[i]), int(labels[j]), float(value[i, j]))
        for i, j in zip(rows, columns, strict=True)
        if allowed[i, j]
    ]
