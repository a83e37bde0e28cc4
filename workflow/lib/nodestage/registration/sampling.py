"""Compiled loops that read an image through a transform."""

from typing import NamedTuple

import numpy as np
from numba import njit

ALL_VALID = np.zeros((0, 0, 0), np.uint8)


# The compiled loops take named tuples: numba does not support dataclasses.
class Source(NamedTuple):
    """The image or mask that is read.

    Attributes
    ----------
    array : (z, y, x), float32 for `image`, uint16 for `labels`
    origin, spacing : float64 (3,), mm of the first voxel and between voxels, (z, y, x)
    valid : uint8 (z, y, x), 0 where the value is unknown, or `ALL_VALID`
    """

    array: np.ndarray
    origin: np.ndarray
    spacing: np.ndarray
    valid: np.ndarray = ALL_VALID


class Slab(NamedTuple):
    """The points at which it is read: affine(point + shift) for each voxel of some slices.

    Attributes
    ----------
    shift : float32 (3, slices, y, x), mm
    first : index of the first of these slices in the grid
    spacing : float64 (3,), mm, of the grid
    affine : float64 (3, 4), mm to mm
    """

    shift: np.ndarray
    first: int
    spacing: np.ndarray
    affine: np.ndarray


@njit(cache=True, nogil=True)
def image(source, slab, fill, out, known):
    """Trilinear values of a `Source` at the points of a `Slab`.

    Parameters
    ----------
    fill : value outside the source
    out : float32 (slices, y, x)
    known : uint8 (slices, y, x), 1 within the source (half a voxel around it included)
    """
    array, origin, source_spacing, valid = source
    shift, first, spacing, affine = slab
    nz, ny, nx = array.shape
    masked = valid.size > 0
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                pz = (first + z) * spacing[0] + shift[0, z, y, x]
                py = y * spacing[1] + shift[1, z, y, x]
                px = x * spacing[2] + shift[2, z, y, x]
                qz = affine[0, 0] * pz + affine[0, 1] * py + affine[0, 2] * px + affine[0, 3]
                qy = affine[1, 0] * pz + affine[1, 1] * py + affine[1, 2] * px + affine[1, 3]
                qx = affine[2, 0] * pz + affine[2, 1] * py + affine[2, 2] * px + affine[2, 3]
                iz = (qz - origin[0]) / source_spacing[0]
                iy = (qy - origin[1]) / source_spacing[1]
                ix = (qx - origin[2]) / source_spacing[2]
                inside = (
                    -0.501 <= iz <= nz - 0.499
                    and -0.501 <= iy <= ny - 0.499
                    and -0.501 <= ix <= nx - 0.499
                )
                if not inside:
                    out[z, y, x] = fill
                    known[z, y, x] = 0
                    continue
                iz = min(max(iz, 0.0), nz - 1.0)
                iy = min(max(iy, 0.0), ny - 1.0)
                ix = min(max(ix, 0.0), nx - 1.0)
                z0, y0, x0 = int(iz), int(iy), int(ix)
                fz, fy, fx = iz - z0, iy - y0, ix - x0
                z1, y1, x1 = min(z0 + 1, nz - 1), min(y0 + 1, ny - 1), min(x0 + 1, nx - 1)
                a = array[z0, y0, x0] * (1 - fx) + array[z0, y0, x1] * fx
                b = array[z0, y1, x0] * (1 - fx) + array[z0, y1, x1] * fx
                c = array[z1, y0, x0] * (1 - fx) + array[z1, y0, x1] * fx
                d = array[z1, y1, x0] * (1 - fx) + array[z1, y1, x1] * fx
                low, high = a * (1 - fy) + b * fy, c * (1 - fy) + d * fy
                out[z, y, x] = low * (1 - fz) + high * fz
                known[z, y, x] = 1
                if masked:
                    near = valid[z0 + int(fz >= 0.5), y0 + int(fy >= 0.5), x0 + int(fx >= 0.5)]
                    known[z, y, x] = near


@njit(cache=True, nogil=True)
def labels(source, slab, split, wanted, out, share):
    """Label by label linear, then the largest, for a slab of points.

    Each voxel is the mean over split[0] × split[1] × split[2] points spread through it, so
    that a finer mask is averaged and not subsampled. The source and `out` are uint16. With `wanted` ≥ 0 only
    that label's share is written, to `share` (float32), else only `out`.
    """
    array, origin, source_spacing, _ = source
    shift, first, spacing, affine = slab
    nz, ny, nx = array.shape
    seen = np.empty(256, np.uint16)
    weight = np.empty(256, np.float64)
    parts = split[0] * split[1] * split[2]
    for z in range(shift.shape[1]):
        for y in range(shift.shape[2]):
            for x in range(shift.shape[3]):
                count = 0
                for part in range(parts):
                    tz = part // (split[1] * split[2])
                    ty = (part // split[2]) % split[1]
                    tx = part % split[2]
                    pz = (first + z + (tz + 0.5) / split[0] - 0.5) * spacing[0] + shift[0, z, y, x]
                    py = (y + (ty + 0.5) / split[1] - 0.5) * spacing[1] + shift[1, z, y, x]
                    px = (x + (tx + 0.5) / split[2] - 0.5) * spacing[2] + shift[2, z, y, x]
                    qz = affine[0, 0] * pz + affine[0, 1] * py + affine[0, 2] * px + affine[0, 3]
                    qy = affine[1, 0] * pz + affine[1, 1] * py + affine[1, 2] * px + affine[1, 3]
                    qx = affine[2, 0] * pz + affine[2, 1] * py + affine[2, 2] * px + affine[2, 3]
                    iz = (qz - origin[0]) / source_spacing[0]
                    iy = (qy - origin[1]) / source_spacing[1]
                    ix = (qx - origin[2]) / source_spacing[2]
                    z0, y0, x0 = int(np.floor(iz)), int(np.floor(iy)), int(np.floor(ix))
                    fz, fy, fx = iz - z0, iy - y0, ix - x0
                    for corner in range(8):
                        oz, oy, ox = corner // 4, (corner // 2) % 2, corner % 2
                        w = (fz if oz else 1 - fz) * (fy if oy else 1 - fy) * (fx if ox else 1 - fx)
                        if w <= 0:
                            continue
                        cz, cy, cx = z0 + oz, y0 + oy, x0 + ox
                        label = np.uint16(0)
                        if -1 <= cz <= nz and -1 <= cy <= ny and -1 <= cx <= nx:
                            # The outermost voxels extend half a voxel beyond their centers.
                            if -0.501 <= iz <= nz - 0.499 and -0.501 <= iy <= ny - 0.499:
                                if -0.501 <= ix <= nx - 0.499:
                                    cz = min(max(cz, 0), nz - 1)
                                    cy = min(max(cy, 0), ny - 1)
                                    cx = min(max(cx, 0), nx - 1)
                                    label = array[cz, cy, cx]
                        index_of_label = -1
                        for k in range(count):
                            if seen[k] == label:
                                index_of_label = k
                                break
                        if index_of_label < 0 and count < 256:
                            index_of_label = count
                            seen[count] = label
                            weight[count] = 0
                            count += 1
                        weight[index_of_label] += w
                if wanted >= 0:
                    share[z, y, x] = 0
                    for k in range(count):
                        if seen[k] == wanted:
                            share[z, y, x] = weight[k] / parts
                else:
                    top, chosen = -1.0, np.uint16(0)
                    for k in range(count):
                        # Equal shares: the structure, not the background; then the lower label.
                        w = weight[k]
                        if w > top + 1e-9:
                            top, chosen = w, seen[k]
                        elif w > top - 1e-9 and (
                            chosen == 0 or (seen[k] != 0 and seen[k] < chosen)
                        ):
                            chosen = seen[k]
                    out[z, y, x] = chosen


@njit(cache=True, nogil=True)
def points(coefficients, first, control_spacing, at, out):
    """Cubic B-spline (3, z, y, x) at scattered points (n, 3) in mm, into out (n, 3)."""
    size = coefficients.shape[1:]
    weights = np.empty((3, 4), np.float64)
    index = np.empty((3, 4), np.int64)
    for n in range(at.shape[0]):
        for axis in range(3):
            c = (at[n, axis] - first[axis]) / control_spacing[axis]
            c = min(max(c, -1.0), size[axis] * 1.0)
            low = np.floor(c)
            t = c - low
            weights[axis, 0] = (1 - t) ** 3 / 6
            weights[axis, 1] = (3 * t**3 - 6 * t**2 + 4) / 6
            weights[axis, 2] = (3 * (1 - t) ** 3 - 6 * (1 - t) ** 2 + 4) / 6
            weights[axis, 3] = t**3 / 6
            for k in range(4):
                index[axis, k] = min(max(int(low) - 1 + k, 0), size[axis] - 1)
        for component in range(3):
            total = 0.0
            for i in range(4):
                for j in range(4):
                    for k in range(4):
                        total += (
                            weights[0, i]
                            * weights[1, j]
                            * weights[2, k]
                            * coefficients[component, index[0, i], index[1, j], index[2, k]]
                        )
            out[n, component] = total
