"""Voxels of one stored grid on another one with the same rows, columns and slices.

A mask that was drawn on a series may be stored for a part of its slices, cropped, or with its
axes turned. It has to come back to the stored grid of the image before that is straightened,
so that image and mask are straightened alike.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from nodestage.cohort.grids import MATCH_VOXELS, Grid


@dataclass(frozen=True)
class Lattice:
    """A stored grid.

    Attributes
    ----------
    shape : voxels (k, j, i)
    affine : 4 × 4, indices (i, j, k) to LPS mm
    """

    shape: tuple[int, ...]
    affine: np.ndarray

    @property
    def step_mm(self) -> float:
        """Distance of neighbouring slices' planes, mm."""
        columns = self.affine[:3, :3]
        normal = np.cross(columns[:, 0], columns[:, 1])
        return abs(float(columns[:, 2] @ normal)) / float(np.linalg.norm(normal))

    def indices(self, points: np.ndarray) -> np.ndarray:
        """Points (n, 3), LPS mm, as indices (i, j, k), not rounded."""
        return (points - self.affine[:3, 3]) @ np.linalg.inv(self.affine[:3, :3]).T


def of_grid(grid: Grid) -> Lattice:
    """The lattice of a canonical grid."""
    affine = np.diag([*grid.spacing[::-1], 1.0])
    affine[:3, 3] = grid.origin
    return Lattice(tuple(grid.shape), affine)


@dataclass(frozen=True)
class Placement:
    """How voxels of one lattice lie on another one.

    Attributes
    ----------
    axes : axis (0 i, 1 j, 2 k) of the other lattice, per axis of the first
    signs : 1 or -1, per axis of the first
    start : where voxel (0, 0, 0) of the first lies, index (i, j, k) on the other lattice
    """

    axes: tuple[int, ...]
    signs: tuple[int, ...]
    start: tuple[int, ...]

    def __call__(self, array: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
        """An array (k, j, i) turned into the other lattice's axes, and the index (k, j, i) of its corner."""
        source = [self.axes.index(axis) for axis in range(3)]  # the array's axis per target axis
        turned = array.transpose([2 - source[axis] for axis in (2, 1, 0)])
        flips = tuple(2 - axis for axis in range(3) if self.signs[source[axis]] < 0)
        corner = [
            self.start[axis]
            - (array.shape[2 - source[axis]] - 1 if self.signs[source[axis]] < 0 else 0)
            for axis in range(3)
        ]
        return np.flip(turned, flips), tuple(corner[::-1])


def placement(lattice: Lattice, other: Lattice) -> Placement | None:
    """How `lattice` lies on `other`; None unless their voxels coincide to `MATCH_VOXELS`."""
    linear = np.linalg.inv(other.affine[:3, :3]) @ lattice.affine[:3, :3]
    start = other.indices(lattice.affine[:3, 3][None])[0]
    whole = np.rint(linear)
    if not (np.abs(whole).sum(0) == 1).all() or not (np.abs(whole).sum(1) == 1).all():
        return None
    corners = np.array(list(itertools.product(*[(0, n - 1) for n in lattice.shape[::-1]])))
    off = corners @ (linear - whole).T + start - np.rint(start)
    if np.abs(off).max() > MATCH_VOXELS:
        return None
    axes = np.abs(whole).argmax(0)
    return Placement(
        tuple(int(axis) for axis in axes),
        tuple(int(whole[axis, column]) for column, axis in enumerate(axes)),
        tuple(int(index) for index in np.rint(start)),
    )


def paste(
    array: np.ndarray, corner: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[np.ndarray, int]:
    """An array (k, j, i) on a larger or smaller grid, and how many of its nonzero voxels lie outside.

    corner : index (k, j, i) of the array's first voxel on that grid; may be negative
    """
    out = np.zeros(shape, array.dtype)
    into, of = [], []
    for first, length, total in zip(corner, array.shape, shape, strict=True):
        low, high = max(first, 0), min(first + length, total)
        if low >= high:
            return out, int(np.count_nonzero(array))
        into.append(slice(low, high))
        of.append(slice(low - first, high - first))
    out[tuple(into)] = array[tuple(of)]
    return out, int(np.count_nonzero(array)) - int(np.count_nonzero(out))
