"""MIND-SSC, the self-similarity context, packed into 60 bits a voxel.

Heinrich et al., "Towards realtime multimodal fusion for image-guided interventions
using self-similarities", MICCAI 2013: twelve patch distances between those of a voxel's
six neighbours that are not opposite each other, each scaled by the voxel's mean distance. They
describe the structure of the tissue around a voxel, not its brightness, so a contrast phase
hardly changes them. Each of the twelve is rounded to 0..5 and written as a thermometer
of five bits; the Hamming distance of two voxels is then the L1 distance of both.
"""

from typing import NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

BITS = np.uint64((1 << 60) - 1)
INVALID = np.uint64(1 << 63)
FLOOR = 0.005  # minimum local variation, as a share of the volume's mean: below it is noise
# A distance of a local means stands for exp(-a); six levels meet at exp(-a) = (i + 0.5) / 6 …
STEPS = np.array([-np.log((i + 1.5) / 6.0) for i in range(4, -1, -1)], np.float32)


class _Rule(NamedTuple):
    """How distances become bits; a named tuple, since numba does not support dataclasses."""

    step: int  # distance of the neighbours, voxels
    floor: np.float32  # minimum local variation
    thresholds: np.ndarray


@intrinsic
def popcount(context, word):
    """Number of bits set in a uint64."""

    def generate(_, builder, __, arguments):
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


def codes(image: np.ndarray, valid: np.ndarray, step: int = 1) -> np.ndarray:
    """Descriptors of an image.

    Parameters
    ----------
    image : float32 (z, y, x)
    valid : uint8 (z, y, x), 0 where the image is unknown
    step : distance of the neighbours, voxels

    Returns
    -------
    uint64 (z, y, x), 60 bits of MIND-SSC; the highest bit is set where `valid` is 0
    """
    pad = step + 1
    padded = np.pad(image, pad, mode="edge")
    out = np.empty(image.shape, np.uint64)
    floor = np.float32(FLOOR * _mean_variation(padded, step) + 1e-6)
    rule = _Rule(step, floor, STEPS)
    for first in range(0, image.shape[0], 16):  # slabs: six float volumes would be too many
        last = min(first + 16, image.shape[0])
        _codes(padded, valid, rule, first, last, out)
    return out


def _mean_variation(image, step):
    """Mean square difference of voxels a diagonal apart, from every third slice."""
    few = image[::3]
    differences = few[:, step:, step:] - few[:, :-step, :-step]
    return float(np.mean(np.square(differences, dtype=np.float32), dtype=np.float64))


@njit(cache=True, nogil=True)
def _codes(padded, valid, rule, first, last, out):
    """Descriptors of slices first..last.

    The twelve pairs are six differences, each used from two voxels: for axes i and j,
    (x+i, x+j) and (x-i, x-j) are one difference seen from x and from x-i-j.
    """
    step, floor, thresholds = rule
    ny, nx = out.shape[1], out.shape[2]
    depth = last - first
    hy, hx = ny + step, nx + step
    base = np.empty((6, depth + step, hy, hx), np.float32)
    plane = np.empty((hy + 2, hx + 2), np.float32)
    narrow = np.empty((hy + 2, hx), np.float32)
    ring = np.empty((3, hy, hx), np.float32)
    for pair in range(6):
        # Axes of the pair, and where the two voxels of the difference lie from q.
        az = step if pair < 4 else 0
        ay = step if pair < 2 or pair >= 4 else 0
        ax = step if pair >= 2 else 0
        if pair % 2 == 0:  # (q, q + i + j)
            z1, y1, x1 = 0, 0, 0
            z2, y2, x2 = az, ay, ax
        elif pair == 1:  # (q + z, q + y)
            z1, y1, x1 = step, 0, 0
            z2, y2, x2 = 0, step, 0
        elif pair == 3:  # (q + z, q + x)
            z1, y1, x1 = step, 0, 0
            z2, y2, x2 = 0, 0, step
        else:  # (q + y, q + x)
            z1, y1, x1 = 0, step, 0
            z2, y2, x2 = 0, 0, step
        for z in range(depth + step + 2):
            # q starts `step` before the voxel, the patch one before q: padded index 0.
            for y in range(hy + 2):
                one = padded[first + z + z1, y + y1]
                two = padded[first + z + z2, y + y2]
                row = plane[y]
                for x in range(hx + 2):
                    d = one[x + x1] - two[x + x2]
                    row[x] = d * d
            for y in range(hy + 2):
                row, short = plane[y], narrow[y]
                for x in range(hx):
                    short[x] = row[x] + row[x + 1] + row[x + 2]
            now = ring[z % 3]
            for y in range(hy):
                a, b, c, row = narrow[y], narrow[y + 1], narrow[y + 2], now[y]
                for x in range(hx):
                    row[x] = a[x] + b[x] + c[x]
            if z >= 2:
                for y in range(hy):
                    a, b, c, row = ring[0, y], ring[1, y], ring[2, y], base[pair, z - 2, y]
                    for x in range(hx):
                        row[x] = a[x] + b[x] + c[x]

    rows = np.empty((12, nx), np.float32)
    lowest = np.empty(nx, np.float32)
    scale = np.empty(nx, np.float32)
    code = np.empty(nx, np.uint64)
    one_bit = np.uint64(1)
    for z in range(depth):
        for y in range(ny):
            for pair in range(6):
                az = step if pair < 4 else 0
                ay = step if pair < 2 or pair >= 4 else 0
                ax = step if pair >= 2 else 0
                if pair % 2 == 1:  # seen from x and from x - i - j
                    rows[2 * pair] = base[pair, z + step, y + step, step:]
                    rows[2 * pair + 1] = base[
                        pair, z + step - az, y + step - ay, step - ax : step - ax + nx
                    ]
                elif pair == 0:  # from x - z and from x - y
                    rows[0] = base[0, z, y + step, step:]
                    rows[1] = base[0, z + step, y, step:]
                elif pair == 2:
                    rows[4] = base[2, z, y + step, step:]
                    rows[5] = base[2, z + step, y + step, :nx]
                else:
                    rows[8] = base[4, z + step, y, step:]
                    rows[9] = base[4, z + step, y + step, :nx]
            for x in range(nx):
                lowest[x] = rows[0, x]
                scale[x] = rows[0, x]
                code[x] = 0
            for c in range(1, 12):
                row = rows[c]
                for x in range(nx):
                    lowest[x] = min(lowest[x], row[x])
                    scale[x] += row[x]
            for x in range(nx):
                mean = scale[x] / np.float32(12) - lowest[x]
                scale[x] = np.float32(1) / max(mean, np.float32(27) * floor)
            t0, t1, t2 = thresholds[0], thresholds[1], thresholds[2]
            t3, t4 = thresholds[3], thresholds[4]
            for c in range(12):
                row = rows[c]
                shift = np.uint64(5 * c)
                for x in range(nx):
                    a = (row[x] - lowest[x]) * scale[x]
                    bits = (
                        np.uint64(a < t0)
                        | (np.uint64(a < t1) << one_bit)
                        | (np.uint64(a < t2) << np.uint64(2))
                        | (np.uint64(a < t3) << np.uint64(3))
                        | (np.uint64(a < t4) << np.uint64(4))
                    )
                    code[x] |= bits << shift
            for x in range(nx):
                unknown = np.uint64(valid[first + z, y, x] == 0)
                out[first + z, y, x] = code[x] | (unknown << np.uint64(63))
