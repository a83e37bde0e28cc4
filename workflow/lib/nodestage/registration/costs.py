"""Costs of each displacement of each control point: the dense displacement sampling.

Heinrich et al., "MRF-based deformable registration and ventilation estimation of lung
CT", TMI 2013: every control point stands for a cube of voxels, and every displacement
on a regular lattice is tried for the whole cube.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from nodestage.registration import workers
from nodestage.registration.descriptors import BITS, INVALID, popcount


class _Search(NamedTuple):
    """Extent of the search; a named tuple, since numba does not support dataclasses."""

    cell: int  # lattice points
    radius: int  # lattice points
    outside: np.int64  # cost of a displacement to unknown voxels, bits
    grid: tuple  # shape of the control grid


def data_term(
    fixed: np.ndarray, moving: np.ndarray, cell: int, radius: int, threads: int = 1
) -> np.ndarray:
    """Mean Hamming distance of every cube at every displacement.

    Parameters
    ----------
    fixed, moving : uint64 (z, y, x) descriptors on the same lattice
    cell : edge of a control point's cube, lattice points
    radius : largest displacement along each axis, lattice points

    Returns
    -------
    float32 (nodes, labels): nodes in the order (z, y, x) of the control grid, labels in
    that of (2 radius + 1)³ displacements; bits per voxel, 0..60

    A voxel where either image isn't valid, undisplaced, has no cost: it would only be
    attracted by the field of view. A displacement to unknown voxels costs as much as an
    average pair, so that it is neither favored nor avoided.
    """
    grid = control_shape(fixed.shape, cell)
    padded = np.pad(moving, radius, constant_values=INVALID)
    typical = mean_distance(fixed, moving)
    outside = np.int64(30 if np.isnan(typical) else round(typical))
    fixed = fixed | (moving & INVALID)
    cost = np.empty((int(np.prod(grid)), (2 * radius + 1) ** 3), np.float32)
    search = _Search(cell, radius, outside, grid)
    workers.split(
        lambda first, last: _data_term(fixed, padded, search, first, last, cost),
        grid[0] * grid[1],
        threads,
    )
    return cost


def control_shape(shape: tuple[int, ...], cell: int) -> tuple[int, ...]:
    """Shape of the control grid over a lattice."""
    return tuple(-(-n // cell) for n in shape)


def mean_distance(fixed: np.ndarray, moving: np.ndarray, structured: bool = False) -> float:
    """Mean Hamming distance where both are valid; NaN if nowhere.

    With `structured`, only where the fixed image has structure at all.
    """
    total, count = _distance(fixed.ravel(), moving.ravel(), structured)
    return total / count if count else float("nan")


@njit(cache=True, nogil=True)
def _distance(fixed, moving, structured):
    total, count = 0, 0
    for i in range(fixed.size):
        if (fixed[i] | moving[i]) & INVALID:
            continue
        # In flat tissue every bit is set.
        if structured and popcount(fixed[i] & BITS) > np.uint64(48):
            continue
        total += np.int64(popcount((fixed[i] ^ moving[i]) & BITS))
        count += 1
    return total, count


@njit(cache=True, nogil=True)
def _data_term(fixed, padded, search, first, last, cost):
    """Rows first..last of the control grid; a row is one (z, y), all x."""
    cell, radius, outside, grid = search
    width = 2 * radius + 1
    nz, ny, nx = fixed.shape
    total = np.empty((width, width, width), np.int32)
    for line in range(first, last):
        cz, cy = line // grid[1], line % grid[1]
        for cx in range(grid[2]):
            total[:] = 0
            for z in range(cz * cell, min(cz * cell + cell, nz)):
                for y in range(cy * cell, min(cy * cell + cell, ny)):
                    for x in range(cx * cell, min(cx * cell + cell, nx)):
                        code = fixed[z, y, x]
                        if code & INVALID:
                            continue
                        for dz in range(width):
                            for dy in range(width):
                                row = padded[z + dz, y + dy, x : x + width]
                                sums = total[dz, dy]
                                for dx in range(width):
                                    other = row[dx]
                                    unknown = np.int32(other >> np.uint64(63))
                                    bits = np.int32(popcount((code ^ other) & BITS))
                                    sums[dx] += bits + unknown * (np.int32(outside) - bits)
            node = line * grid[2] + cx
            flat = total.reshape(-1)
            for i in range(flat.size):
                cost[node, i] = flat[i] / np.float32(cell * cell * cell)
