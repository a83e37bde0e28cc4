"""Separable resampling: each axis is a matrix with a few weights in a row.

The same step smooths and shrinks an image, enlarges it, and evaluates a cubic
B-spline, so one compiled loop serves them all.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit

Weights = tuple[np.ndarray, np.ndarray]  # start, weights: see `linear`


def linear(
    n_in: int, spacing_in: float, n_out: int, spacing_out: float, shift: float = 0.0
) -> Weights:
    """Weights of linear interpolation, widened to a triangle where the grid gets coarser.

    The triangle is as wide as the new spacing and so takes away what the new grid
    can't hold (no aliasing); it never overshoots the values that it averages.

    Parameters
    ----------
    n_in, n_out : numbers of voxels along the axis
    spacing_in, spacing_out : mm
    shift : position of the first new voxel's center from the first old one's, mm

    Returns
    -------
    start : int64 (n_out,), first old voxel that a new one takes from
    weights : float32 (n_out, taps), rows sum to 1; the edge voxel continues outside
    """
    center = (shift + np.arange(n_out) * spacing_out) / spacing_in
    whole = np.round(center)
    center = np.where(np.abs(center - whole) < 1e-6, whole, center)
    width = max(1.0, spacing_out / spacing_in)
    lowest = np.floor(center - width).astype(np.int64) + 1
    taps = int(np.ceil(2 * width)) + 1
    voxel = lowest[:, None] + np.arange(taps)
    weights = np.maximum(0.0, 1 - np.abs(voxel - center[:, None]) / width)
    return _inside(voxel, weights, n_in)


def spline(
    n_in: int,
    spacing_in: float,
    first_in: float,
    positions: np.ndarray,
    derivative: bool = False,
) -> Weights:
    """Weights of a uniform cubic B-spline, or of its derivative per mm, at `positions` (mm).

    n_in control points stand `spacing_in` mm apart, the first one at `first_in` mm;
    outside them the outermost continues.
    """
    center = (np.asarray(positions, float) - first_in) / spacing_in
    lowest = np.floor(center).astype(np.int64)
    t = center - lowest
    if derivative:
        rest = 1 - t
        columns = [-(rest**2) / 2, 1.5 * t**2 - 2 * t, 2 * rest - 1.5 * rest**2, t**2 / 2]
        weights = np.stack(columns, axis=1) / spacing_in
    else:
        rest = 1 - t
        columns = [
            rest**3,
            3 * t**3 - 6 * t**2 + 4,
            3 * rest**3 - 6 * rest**2 + 4,
            t**3,
        ]
        weights = np.stack(columns, axis=1) / 6
    return _inside(lowest[:, None] + np.arange(-1, 3), weights, n_in, total=0 if derivative else 1)


def _inside(voxel, weights, n, total=1):
    """Move weights on voxels outside 0..n-1 to the nearest one inside; rows sum to `total`."""
    taps = min(voxel.shape[1], n)
    start = np.clip(voxel[:, 0], 0, n - taps)
    kept = np.zeros((len(voxel), taps))
    column = np.clip(np.clip(voxel, 0, n - 1) - start[:, None], 0, taps - 1)
    np.add.at(kept, (np.arange(len(voxel))[:, None], column), weights)
    if total:
        kept /= kept.sum(axis=1, keepdims=True)
    return start, kept.astype(np.float32)


def along(array: np.ndarray, axis: int, start: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Apply the weights along one axis of a float32 array."""
    identity = len(start) == array.shape[axis] and np.array_equal(start, np.arange(len(start)))
    if identity and weights.shape[1] == 1:
        return array
    shape = array.shape
    before, after = int(np.prod(shape[:axis])), int(np.prod(shape[axis + 1 :]))
    flat = np.ascontiguousarray(array, np.float32).reshape(before, shape[axis], after)
    out = np.empty((before, len(start), after), np.float32)
    if after == 1:
        _rows(flat[:, :, 0], start, weights, out[:, :, 0])
    else:
        _planes(flat, start, weights, out)
    return out.reshape(shape[:axis] + (len(start),) + shape[axis + 1 :])


def resample(
    array: np.ndarray,
    spacing: Sequence[float],
    shape: Sequence[int],
    new_spacing: Sequence[float],
    shift: Sequence[float] = (0.0, 0.0, 0.0),
) -> np.ndarray:
    """Resample (z, y, x) to another grid of parallel axes; spacings and shift in mm, (z, y, x).

    Axes that get coarser go first: what follows has less to do.
    """
    out = np.ascontiguousarray(array, np.float32)
    for axis in sorted(range(3), key=lambda a: shape[a] / array.shape[a]):
        same = shape[axis] == array.shape[axis] and abs(shift[axis]) < 1e-6
        if same and abs(spacing[axis] - new_spacing[axis]) < 1e-6:
            continue
        start, weights = linear(
            array.shape[axis], spacing[axis], shape[axis], new_spacing[axis], shift[axis]
        )
        out = along(out, axis, start, weights)
    return out


@njit(cache=True, nogil=True)
def _planes(array, start, weights, out):
    for a in range(array.shape[0]):
        for i in range(out.shape[1]):
            row = out[a, i]
            row[:] = 0
            for t in range(weights.shape[1]):
                w = weights[i, t]
                if w != 0:
                    source = array[a, start[i] + t]
                    for b in range(row.shape[0]):
                        row[b] += w * source[b]


@njit(cache=True, nogil=True)
def _rows(array, start, weights, out):
    for a in range(array.shape[0]):
        for i in range(out.shape[1]):
            total = np.float32(0)
            for t in range(weights.shape[1]):
                total += weights[i, t] * array[a, start[i] + t]
            out[a, i] = total
