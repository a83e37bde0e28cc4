"""Distances between the surfaces of two masks, in mm."""

from typing import NamedTuple

import numpy as np

from nodestage.metrics.arrays import as_masks, box_around
from nodestage.metrics.voxels import dice


class SurfaceDistances(NamedTuple):
    """Distances between two surfaces in mm; None where one of the masks has no surface."""

    asd: float | None
    hd: float | None
    hd95: float | None


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

    a, b = as_masks(a, b)
    either = a | b
    if not a.any() or not b.any():
        return SurfaceDistances(None, None, None)
    box = box_around(either, margin=1)  # one voxel more, so that a surface at the box is still one
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
    truth, prediction = as_masks(truth, prediction)
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
