"""Distances to a structure as far as they matter, and the attention that they give.

A lymph node's range ends some 30 mm from a structure, so nothing farther is computed. The
squared distance is the minimum of x², then of x² + y², then of x² + y² + z² over the border voxels
within that distance, one axis after the other; rows that can't add anything are passed over. All
loops run along x, on which the processor takes eight voxels at a time.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

FAR = np.float32(1e30)


@dataclass(frozen=True)
class LabelMap:
    """What all structures of one patient share.

    Attributes
    ----------
    labels : uint8 array (z, y, x), contiguous
    spacing : (z, y, x), mm
    ranged : bool array (256,), True for every label that has a range
    border : mm over which attention falls to 0 beyond either end of a range
    """

    labels: np.ndarray
    spacing: tuple[float, ...]
    ranged: np.ndarray
    border: float


# The compiled loops take named tuples: numba knows no dataclass.
class _Structure(NamedTuple):
    """One structure, its bounding box, and the window within its range: first, last + 1 by axis."""

    labels: np.ndarray
    label: int
    box: np.ndarray
    window: np.ndarray


class _Rows(NamedTuple):
    """In-plane distances, mm², of the slices of a structure's box: z of the box, y and x of the window."""

    squared: np.ndarray
    spans: np.ndarray  # first and one past the last x that holds a value
    smallest: np.ndarray


class _Rule(NamedTuple):
    """What turns distances along z into scores (Eq. 1)."""

    squares: np.ndarray
    pad: int
    limit: np.float32
    low: np.float32
    high: np.float32
    border: np.float32
    ranged: np.ndarray


def boxes(labels: np.ndarray) -> dict[int, tuple[slice, ...]]:
    """{label: (z, y, x) slices of its bounding box} of every label that occurs but 0.

    Parameters
    ----------
    labels : uint8 array (z, y, x), contiguous
    """
    ends = np.empty((256, 3, 2), np.int64)
    ends[..., 0], ends[..., 1] = np.iinfo(np.int64).max, 0
    _ends(labels, ends)
    return {
        label: tuple(slice(int(a), int(b)) for a, b in ends[label])
        for label in range(1, 256)
        if ends[label, 0, 1]
    }


def attend(
    label_map: LabelMap,
    label: int,
    box: tuple[slice, ...],
    limits: tuple[float, float],
    attention: np.ndarray,
    threads: int = 1,
) -> None:
    """Lay the scores of one structure (Eq. 1) over `attention` (Eq. 2), in place.

    The structure's voxels take its score; voxels of other structures with a range keep
    theirs; all others the larger of the two. So the order of the structures does not matter.

    Parameters
    ----------
    label_map : what all structures share
    label, box : the structure and its bounding box, from `boxes`
    limits : (d_min, d_max), mm, negative inside
    attention : float32 array (z, y, x), 0 where nothing was laid yet
    threads : slices and columns worked on at a time
    """
    labels, spacing, border = label_map.labels, label_map.spacing, label_map.border
    low, high = limits
    # Outside nothing counts beyond d_max + border, inside beyond border - d_min.
    farthest = max(high + border, border - low, 0.0)
    pads = [min(int(farthest / s), n - 1) for s, n in zip(spacing, labels.shape, strict=True)]
    window = np.array(
        [
            (max(b.start - p, 0), min(b.stop + p, n))
            for b, p, n in zip(box, pads, labels.shape, strict=True)
        ]
    )
    structure = _Structure(labels, label, np.array([(b.start, b.stop) for b in box]), window)
    squares = tuple(
        ((np.arange(n + 1) * s) ** 2).astype(np.float32)
        for s, n in zip(spacing, labels.shape, strict=True)
    )
    limit = np.float32(farthest**2 * (1 + 1e-5))
    # Half the width in x within that distance of a border voxel, at each distance in y.
    widths = np.sqrt(np.maximum(farthest**2 - squares[1][: pads[1] + 1], 0)) / spacing[2]
    widths = widths.astype(np.int64) + 1

    depth = structure.box[0, 1] - structure.box[0, 0]
    height, width = window[1:, 1] - window[1:, 0]
    rows = _Rows(
        np.full((depth, height, width), FAR),
        np.zeros((depth, height, 2), np.int32),
        np.full((depth, height), FAR, np.float32),
    )
    _split(lambda a, b: _in_slices(structure, squares, widths, a, b, rows), depth, threads)
    rule = _Rule(
        squares[0], pads[0], limit, np.float32(low), np.float32(high), np.float32(border),
        label_map.ranged,
    )  # fmt: skip
    _split(lambda a, b: _across_slices(rows, structure, rule, a, b, attention), height, threads)


def _split(work, n, threads):
    """Call work(first, last) on parts of range(n), `threads` at a time."""
    ends = np.linspace(0, n, min(n, 4 * threads if threads > 1 else 1) + 1).astype(int)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, ends[:-1], ends[1:]))


@njit(cache=True, nogil=True)
def _ends(labels, ends):
    """First and one past the last voxel of each label along each axis, into ends (256, 3, 2)."""
    for z in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            row = labels[z, y]
            x = 0
            while x < row.size:
                label = row[x]
                start = x
                while x < row.size and row[x] == label:
                    x += 1
                if label:
                    box = ends[label]
                    box[0, 0] = min(box[0, 0], z)
                    box[0, 1] = z + 1
                    box[1, 0] = min(box[1, 0], y)
                    box[1, 1] = max(box[1, 1], y + 1)
                    box[2, 0] = min(box[2, 0], start)
                    box[2, 1] = max(box[2, 1], x)


@njit(cache=True, nogil=True)
def _on_border(labels, label, z, y, x):
    """Whether any of the 26 neighbours is another label; the volume's edge does not count."""
    depth, height, width = labels.shape
    for k in range(max(z - 1, 0), min(z + 2, depth)):
        for j in range(max(y - 1, 0), min(y + 2, height)):
            for i in range(max(x - 1, 0), min(x + 2, width)):
                if labels[k, j, i] != label:
                    return True
    return False


@njit(cache=True, nogil=True)
def _lower(values, plus, start, stop, out):
    """out = min(out, values + plus) between start and stop."""
    for x in range(start, stop):
        value = values[x] + plus
        out[x] = value if value < out[x] else out[x]


@njit(cache=True, nogil=True)
def _lower_by_four(rows, plus, start, stop, out):
    """`_lower` by a tuple of four rows at once, for which `out` is read and written once."""
    a, b, c, d = rows
    plus_a, plus_b, plus_c, plus_d = plus[0], plus[1], plus[2], plus[3]
    for x in range(start, stop):
        first, second, third, fourth = a[x] + plus_a, b[x] + plus_b, c[x] + plus_c, d[x] + plus_d
        first = second if second < first else first
        third = fourth if fourth < third else third
        first = third if third < first else first
        out[x] = first if first < out[x] else out[x]


@njit(cache=True, nogil=True)
def _in_slices(structure, squares, widths, first, last, rows):
    """Squared distance to the border voxels of the same slice, for slices first..last.

    A row holds values within its span [start, stop), FAR elsewhere.
    """
    labels, label, box, window = structure
    squared, spans, smallest = rows
    (y_box, y_end), (x_box, x_end) = box[1], box[2]
    y_window, x_window = window[1, 0], window[2, 0]
    height, width = squared.shape[1:]
    lines = np.empty((y_end - y_box, width), np.float32)
    ends = np.empty((y_end - y_box, 2), np.int64)  # first and last border voxel of a row
    for k in range(first, last):
        z = box[0, 0] + k
        for j in range(y_end - y_box):
            line, seen = lines[j], -1
            ends[j, 0], ends[j, 1] = -1, -2
            for x in range(x_box, x_end):
                if labels[z, y_box + j, x] == label and _on_border(labels, label, z, y_box + j, x):
                    i = x - x_window
                    if seen < 0:
                        ends[j, 0] = i
                        for a in range(i):
                            line[a] = squares[2][i - a]
                    else:
                        for a in range(seen, i):
                            line[a] = squares[2][min(a - seen, i - a)]
                    seen = i
            if seen >= 0:
                ends[j, 1] = seen
                for a in range(seen, width):
                    line[a] = squares[2][a - seen]
        for y in range(height):
            out = squared[k, y]
            nearest, farthest = y + y_window - y_box - (widths.size - 1), y + y_window - y_box
            nearest, farthest = max(nearest, 0), min(farthest + widths.size, y_end - y_box)
            start, stop = width, 0
            for j in range(nearest, farthest):
                if ends[j, 0] >= 0:
                    half = widths[abs(y + y_window - y_box - j)]
                    start = min(start, max(ends[j, 0] - half, 0))
                    stop = max(stop, min(ends[j, 1] + half + 1, width))
            if stop <= start:
                continue
            for j in range(nearest, farthest):
                if ends[j, 0] >= 0:
                    away = abs(y + y_window - y_box - j)
                    a = max(ends[j, 0] - widths[away], 0)
                    b = min(ends[j, 1] + widths[away] + 1, width)
                    _lower(lines[j], squares[1][away], a, b, out)
            spans[k, y, 0], spans[k, y, 1] = start, stop
            smallest[k, y] = out[start:stop].min()


@njit(cache=True, nogil=True, error_model="numpy")
def _across_slices(rows, structure, rule, first, last, attention):
    """Distances over all slices, and their scores, for the columns first..last along y."""
    labels, label, box, window = structure
    squared, spans, smallest = rows
    squares, pad, limit, low, high, border, ranged = rule
    z_box, (z_window, z_end) = box[0, 0], window[0]
    deep, _, wide = squared.shape
    out, near, plus = np.empty(wide, np.float32), np.empty(deep, np.int64), squares.copy()
    for j in range(first, last):
        y = window[1, 0] + j
        for z in range(z_window, z_end):
            count, start, stop = 0, wide, 0
            for k in range(max(z - z_box - pad, 0), min(z - z_box + pad + 1, deep)):
                away = squares[abs(z - z_box - k)]
                if smallest[k, j] + away <= limit:
                    near[count], plus[count] = k, away
                    start, stop = min(start, spans[k, j, 0]), max(stop, spans[k, j, 1])
                    count += 1
            if not count:
                continue
            out[start:stop] = FAR
            fours = count - count % 4
            for n in range(0, fours, 4):
                a, b, c, d = near[n], near[n + 1], near[n + 2], near[n + 3]
                _lower_by_four(
                    (squared[a, j], squared[b, j], squared[c, j], squared[d, j]), plus[n:],
                    min(spans[a, j, 0], spans[b, j, 0], spans[c, j, 0], spans[d, j, 0]),
                    max(spans[a, j, 1], spans[b, j, 1], spans[c, j, 1], spans[d, j, 1]),
                    out,
                )  # fmt: skip
            for n in range(fours, count):
                k = near[n]
                _lower(squared[k, j], plus[n], spans[k, j, 0], spans[k, j, 1], out)
            names, scores = labels[z, y, window[2, 0] :], attention[z, y, window[2, 0] :]
            for i in range(start, stop):
                if out[i] > limit:
                    continue
                inside = names[i] == label
                if not inside and ranged[names[i]]:
                    continue
                distance = -np.sqrt(out[i]) if inside else np.sqrt(out[i])
                score = 1 - max(low - distance, distance - high) / border
                score = min(max(score, np.float32(0)), np.float32(1))
                if inside or score > scores[i]:
                    scores[i] = score
