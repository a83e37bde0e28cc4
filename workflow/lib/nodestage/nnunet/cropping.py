"""The part of a CT that holds the body.

The air around a patient and the table carry no information for a network, and cost as much time
and memory as the body. Training and prediction see the same part; a prediction is background elsewhere.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from nodestage.core.volumes import Vector

BODY_HU = -300
"""Between air and lung on one side, and fat on the other."""
COARSE_MM = 4.0
"""Distance of the voxels that are examined: finer ones give the same box."""

Box = tuple[slice, ...]


def body_box(images: Sequence[np.ndarray], spacing: Vector) -> Box:
    """The box around the largest connected part of all phases that isn't air.

    Parameters
    ----------
    images : HU arrays (z, y, x) on one grid
    spacing : (z, y, x), mm

    Returns
    -------
    slices (z, y, x), at least `COARSE_MM` wider than the body on each side where the image is; the
    whole image where all of it is air
    """
    steps = [max(1, round(COARSE_MM / s)) for s in spacing]
    coarse = tuple(slice(None, None, step) for step in steps)
    body = np.zeros_like(images[0][coarse], dtype=bool)
    for image in images:
        body |= image[coarse] > BODY_HU
    parts, _ = ndimage.label(body)
    sizes = np.bincount(parts.ravel())[1:]
    if not len(sizes):
        return whole(images[0].shape)
    largest = ndimage.find_objects(parts)[int(np.argmax(sizes))]
    # A coarse voxel stands for the fine ones up to its neighbors.
    return tuple(
        slice(max(0, (side.start - 1) * step), min(n, (side.stop + 1) * step))
        for side, step, n in zip(largest, steps, images[0].shape, strict=True)
    )


def whole(shape: Sequence[int]) -> Box:
    """The box of a whole image of this shape (z, y, x)."""
    return tuple(slice(0, n) for n in shape)


def training_box(images: Sequence[np.ndarray], spacing: Vector, labels: np.ndarray) -> Box:
    """What a network learns from: the body, and all labels where some lie outside it.

    images, spacing : as in `body_box`; labels : integer array (z, y, x)
    """
    return with_labels(body_box(images, spacing), labels)


def with_labels(box: Box, labels: np.ndarray) -> Box:
    """`box`, widened so that it holds every label of an integer array (z, y, x)."""
    labeled = [np.flatnonzero(labels.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    if not len(labeled[0]):
        return box
    return tuple(
        slice(min(side.start, int(indices[0])), max(side.stop, int(indices[-1]) + 1))
        for side, indices in zip(box, labeled, strict=True)
    )


def restored(values: np.ndarray, box: Box, shape: Sequence[int], outside: float = 0) -> np.ndarray:
    """`values` (…, z, y, x) of a box in an array of the whole image's shape, `outside` elsewhere."""
    if values.shape[-3:] == tuple(shape):
        return values
    image = np.full((*values.shape[:-3], *shape), outside, values.dtype)
    image[..., box[0], box[1], box[2]] = values
    return image
