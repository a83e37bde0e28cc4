"""Masks drawn on a phase, carried to the study grid."""

import numpy as np
from scipy import ndimage

from nodestage.core.volumes import Volume, same_grid
from nodestage.registration.field import Field, identity
from nodestage.registration.phases import first_voxel

SMALL_MM3 = 1500.0  # structures up to this volume (a node of 14 mm) keep their volume


def carry_mask(
    mask: Volume, field: Field | None, grid: Volume, patient: str = "", role: str = "mask"
) -> Volume:
    """A mask on the study grid: label by label linear, then the largest.

    Parameters
    ----------
    mask : Volume of labels, on the phase that it was drawn on
    field : Field from `grid` into that phase, or None if drawn on the phase of the grid
    grid : Volume on the study grid

    Returns
    -------
    Volume on the study grid, of the mask's dtype

    Where the study grid is coarser than the mask, each voxel takes the label that fills
    most of it. A connected structure of at most 1,500 mm³ that would lose voxels that way
    takes those that it fills most, up to its volume (times the field's change of
    volume), from the background; a larger one is left as it is.
    """
    origin = first_voxel(mask, grid, patient, role)
    if field is None:
        if same_grid(mask, grid):
            return mask
        field = identity(grid.array.shape, grid.spacing)
    out = field.warp_labels(mask.array, mask.spacing, origin)
    _keep_small(mask, field, grid, origin, out)
    return grid.with_array(out)


def _keep_small(mask, field, grid, origin, out):
    """Return lost voxels to small structures, in place."""
    voxel_in, voxel_out = float(np.prod(mask.spacing)), float(np.prod(grid.spacing))
    for label in np.unique(mask.array):
        if label == 0:
            continue
        parts, _ = ndimage.label(mask.array == label, structure=np.ones((3, 3, 3)))
        for part, box in enumerate(ndimage.find_objects(parts), start=1):
            inside = parts[box] == part
            volume = inside.sum() * voxel_in
            if volume > SMALL_MM3:
                continue
            window = tuple(slice(max(0, b.start - 1), b.stop + 1) for b in box)
            alone = (parts[window] == part).astype(np.uint8)
            corner = np.array([w.start for w in window]) * mask.spacing + origin
            ends = [
                [c, c + (n - 1) * s]
                for c, n, s in zip(corner, alone.shape, mask.spacing, strict=True)
            ]
            region, volume = _visible_from(field, ends, grid, volume)
            if region is None:
                continue
            share = field.label_share(alone, 1, mask.spacing, corner, region)
            wanted = round(volume / voxel_out) or 1
            kept = (out[region] == label) & (share > 0)
            lost = wanted - int(kept.sum())
            if lost <= 0:
                continue
            free = np.where((out[region] == 0), share, 0).ravel()
            best = np.argsort(-free, kind="stable")[:lost]
            chosen = np.unravel_index(best[free[best] > 1e-3], share.shape)
            out[region][chosen] = label


def _visible_from(field, ends, grid, volume):
    """Slices of the grid that a box of the mask maps to, and its volume there.

    ends : first and last position of the box along each axis, mm; volume : mm³, in the mask
    """
    corners = np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3)
    middle = corners.mean(axis=0)
    linear = np.linalg.inv(field.affine[:, :3])
    target = (np.vstack([corners, middle]) - field.affine[:, 3]) @ linear.T
    points = target.copy()
    for _ in range(15):
        points = target - field.bend(points)
    spacing = np.array(grid.spacing)
    low = np.maximum(np.floor(points.min(axis=0) / spacing) - 2, 0).astype(int)
    high = np.minimum(np.ceil(points.max(axis=0) / spacing) + 3, grid.array.shape).astype(int)
    if (low >= high).any():
        return None, 0.0
    # Volume changes by the inverse of the determinant around the structure's middle.
    h = 2.0
    around = np.array([points[-1] + s * h * e for e in np.eye(3) for s in (1, -1)])
    moved = field.move(around)
    jac = np.stack([(moved[2 * k] - moved[2 * k + 1]) / (2 * h) for k in range(3)], axis=1)
    region = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    return region, volume / max(0.2, float(np.linalg.det(jac)))
