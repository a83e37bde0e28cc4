"""Every image on one kind of grid: axes along left, posterior and superior.

A file's axes are an affine that takes voxel indices (i, j, k) to mm (LPS, as in
DICOM and ITK). `plan` decides once, from shape and affine alone, how voxels get
to the canonical grid, so that a CT and its masks are always treated alike:

- axes permuted and flipped to the nearest canonical order (any of 48);
- up to `SNAP_DEG` off the axes: taken as meant straight (0.05° moves the far
  corner of a 400 mm image by 0.35 mm), the center of the image staying in place;
- up to `STRAIGHTEN_DEG` (oblique scans, gantry tilt, shear): resampled, linear;
- beyond: refused, since no axial CT lies so.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from nodestage.cohort.faults import IntakeError, millimeters

SNAP_DEG = 0.05
STRAIGHTEN_DEG = 35.0
NOTICE_DEG = 1e-3  # below this a deviation is rounding and not worth a record
MATCH_VOXELS = 0.05  # how far the corners of two equal grids may lie apart
AIR = -1024


@dataclass(frozen=True)
class Grid:
    """shape and spacing (z, y, x), mm; origin (x, y, z), mm; axes are LPS."""

    shape: tuple
    spacing: tuple
    origin: tuple

    def __str__(self):
        return (
            f"{' × '.join(map(str, self.shape[::-1]))} voxels of {millimeters(self.spacing[::-1])} mm "
            f"at ({', '.join(f'{o:.3f}' for o in self.origin)}) mm"
        )

    def ends(self):
        """First and last voxel's centers (x, y, z), mm."""
        low = np.array(self.origin)
        return low, low + (np.array(self.shape[::-1]) - 1) * np.array(self.spacing[::-1])


@dataclass(frozen=True)
class Plan:
    """How a stored array gets to `grid`; `facts` go into the patient's record."""

    axes: tuple  # numpy axes of the stored (k, j, i) array, in canonical (z, y, x) order
    flips: tuple  # canonical (z, y, x) axes to turn round
    grid: Grid
    matrix: np.ndarray | None  # mm to canonical index, 3 × 4, where resampling is needed
    facts: dict

    def __call__(self, stored, labels=False):
        """The stored array (k, j, i) on the canonical grid (z, y, x)."""
        turned = np.flip(stored.transpose(self.axes), self.flips)
        if self.matrix is None:
            return np.ascontiguousarray(turned)
        return _resample(turned, self.matrix, self.grid, labels)


def plan(shape, affine):
    """Plan for an array of `shape` (k, j, i) under `affine` (4 × 4, indices (i, j, k) to LPS mm)."""
    affine = np.asarray(affine, float)
    columns, origin = affine[:3, :3], affine[:3, 3]
    lengths = np.linalg.norm(columns, axis=0)
    if not np.isfinite(affine).all() or lengths.min() < 0.01 or lengths.max() > 50:
        raise IntakeError(
            f"its header gives voxels of {millimeters(lengths)} mm. Export it again with the true spacing"
        )
    unit = columns / lengths
    order = max(
        itertools.permutations(range(3)), key=lambda p: sum(abs(unit[c, p[c]]) for c in range(3))
    )
    counts = np.array(shape[::-1])
    backward = [unit[c, order[c]] < 0 for c in range(3)]
    origin = origin + sum(
        columns[:, order[c]] * (counts[order[c]] - 1) for c in range(3) if backward[c]
    )
    basis = np.column_stack([columns[:, order[c]] * (-1 if backward[c] else 1) for c in range(3)])
    counts, steps = counts[list(order)], np.linalg.norm(basis, axis=0)
    cosines = np.clip(np.diag(basis) / steps, -1, 1)
    angle = float(np.degrees(np.arccos(cosines.min())))
    # arccos is blind below 1e-6; the off-diagonal part is not.
    angle = max(angle, float(np.degrees(np.abs(basis / steps - np.diag(cosines)).max())))
    facts = {}
    if angle > STRAIGHTEN_DEG:
        raise IntakeError(
            f"its axes lie {angle:.1f}° off the body's; up to {STRAIGHTEN_DEG:.0f}° can be straightened. "
            "Export the axial series"
        )
    if angle <= SNAP_DEG:
        middle = origin + basis @ (counts - 1) / 2
        origin = middle - steps * (counts - 1) / 2
        matrix, spacing = None, steps
        if angle > NOTICE_DEG:
            facts["axes_snapped_deg"] = round(angle, 5)
    else:
        corners = (
            np.array(list(itertools.product(*[(0, n - 1) for n in counts]))) @ basis.T + origin
        )
        low, high = corners.min(0), corners.max(0)
        # The part of a step along its axis: for sheared slices that is the distance of their planes.
        spacing = np.diag(basis).copy()
        size = np.ceil((high - low) / spacing - 0.01).astype(int) + 1
        inverse = np.linalg.inv(basis)
        matrix = np.column_stack([inverse, -inverse @ origin])
        origin = (low + high) / 2 - spacing * (size - 1) / 2
        counts = size
        facts["straightened_deg"] = round(angle, 3)
        facts["shear_deg"] = round(_shear(basis / steps), 3)
    if list(order) != [0, 1, 2] or any(backward):
        facts["reoriented"] = True
    return Plan(
        axes=tuple(2 - order[c] for c in (2, 1, 0)),
        flips=tuple(2 - c for c in range(3) if backward[c]),
        grid=Grid(
            tuple(int(n) for n in counts[::-1]),
            tuple(float(s) for s in spacing[::-1]),
            tuple(float(o) for o in origin),
        ),
        matrix=matrix,
        facts=facts,
    )


def _shear(unit):
    """Largest deviation of two axes from a right angle, degrees."""
    cosines = unit.T @ unit - np.eye(3)
    return float(np.degrees(np.arcsin(np.clip(np.abs(cosines).max(), 0, 1))))


def _resample(array, matrix, grid, labels):
    import SimpleITK as sitk

    # ITK's images can't hold sheared axes: the input stays in index space and the
    # transform carries the whole affine.
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    transform = sitk.AffineTransform(matrix[:, :3].ravel().tolist(), matrix[:, 3].tolist())
    target = sitk.Image([int(n) for n in grid.shape[::-1]], image.GetPixelID())
    target.SetSpacing([float(s) for s in grid.spacing[::-1]])
    target.SetOrigin([float(o) for o in grid.origin])
    how, outside = (sitk.sitkLabelLinear, 0) if labels else (sitk.sitkLinear, AIR)
    return sitk.GetArrayFromImage(sitk.Resample(image, target, transform, how, outside))


def apart(a, b):
    """How far the corners of two grids lie apart, in voxels of `b`; inf where shapes differ."""
    if tuple(a.shape) != tuple(b.shape):
        return float("inf")
    step = np.array(b.spacing[::-1])
    return float(max(np.abs((p - q) / step).max() for p, q in zip(a.ends(), b.ends(), strict=True)))


def overlap(a, b):
    """Share of grid `a`'s box (voxels' outer edges) that lies within `b`'s, 0 to 1."""
    share = 1.0
    for (low_a, high_a, half_a), (low_b, high_b, half_b) in zip(_sides(a), _sides(b), strict=True):
        common = min(high_a + half_a, high_b + half_b) - max(low_a - half_a, low_b - half_b)
        share *= max(common, 0.0) / (high_a - low_a + 2 * half_a)
    return share


def _sides(grid):
    low, high = grid.ends()
    return list(zip(low.tolist(), high.tolist(), (s / 2 for s in grid.spacing[::-1]), strict=True))


def of(volume):
    """The grid of a canonical volume."""
    return Grid(tuple(volume.array.shape), tuple(volume.spacing), tuple(volume.origin))
