"""Label maps and masks: which labels, one shape, where something lies."""

import numpy as np


def labels_of(array, sizes=False):
    """Labels above 0, ascending; with `sizes` also their numbers of voxels."""
    array = np.asarray(array)
    labels, counts = np.unique(array[array != 0], return_counts=True)
    return (labels, counts) if sizes else labels


def same_shape(a, b):
    """Both as arrays; ValueError where their shapes differ."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        raise ValueError(f"expected arrays of one shape, got {a.shape} and {b.shape}")
    return a, b


def as_masks(a, b):
    """Both as bool, of one shape."""
    a, b = same_shape(a, b)
    return a.astype(bool), b.astype(bool)


def box_around(mask, margin):
    """Slices of the smallest box around `mask`, wider by `margin` voxels within the image."""
    box = []
    for axis in range(mask.ndim):
        line = np.flatnonzero(mask.any(axis=tuple(i for i in range(mask.ndim) if i != axis)))
        box.append(slice(max(line[0] - margin, 0), min(line[-1] + margin + 1, mask.shape[axis])))
    return tuple(box)
