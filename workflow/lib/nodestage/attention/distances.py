"""Distances to a structure as far as they matter, and the attention that they give.

A lymph node's range ends some 30 mm from a structure, so nothing farther is computed. The
squared distance is the least of x², then of x² + y², then of x² + y² + z² over the border voxels
within reach, one axis after the other; rows that can't add anything are passed over. All loops
run along x, on which the processor takes eight voxels at a time.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit

FAR = np.float32(1e30)


def boxes(labels):
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


def attend(labels, label, box, limits, border, spacing, ranged, found, threads=1):
    """Lay the scores of one structure (Eq. 1) over `found` (Eq. 2), in place.

    The structure's own voxels take its score; voxels of other structures in `ranged` keep
    theirs; all others the larger of the two. So the order of the structures does not matter.

    Parameters
    ----------
    labels : uint8 array (z, y, x), contiguous
    label, box : the structure and its bounding box, from `boxes`
    limits : (d_min, d_max), mm, negative inside
    border : mm over which attention falls to 0 beyond either end
    spacing : (z, y, x), mm
    ranged : bool array (256,), True for every label that has a range
    found : float32 array (z, y, x), 0 where nothing was laid yet
    threads : slices and columns worked on at a time
    """
    low, high = limits
    # Outside nothing counts beyond d_max + border, inside beyond border - d_min.
    reach = max(high + border, border - low, 0.0)
    pads = [min(int(reach / s), n - 1) for s, n in zip(spacing, labels.shape, strict=True)]
    room = np.array(
        [
            (max(b.start - p, 0), min(b.stop + p, n))
            for b, p, n in zip(box, pads, labels.shape, strict=True)
        ]
    )
    own = np.array([(b.start, b.stop) for b in box])
    squares = tuple(
        ((np.arange(n + 1) * s) ** 2).astype(np.float32)
        for s, n in zip(spacing, labels.shape, strict=True)
    )
    limit = np.float32(reach**2 * (1 + 1e-5))
    # Half the width in x that is within reach of a border voxel, at each distance in y.
    widths = np.sqrt(np.maximum(reach**2 - squares[1][: pads[1] + 1], 0)) / spacing[2]
    widths = widths.astype(np.int64) + 1

    deep = own[0, 1] - own[0, 0]
    tall, wide = room[1:, 1] - room[1:, 0]
    squared = np.full((deep, tall, wide), FAR)
    spans = np.zeros((deep, tall, 2), np.int32)
    least = np.full((deep, tall), FAR, np.float32)
    _split(
        lambda a, b: _in_slices(
            labels, label, own, room, squares, widths, a, b, squared, spans, least
        ),
        deep,
        threads,
    )
    numbers = np.array([low, high, border], np.float32)
    _split(
        lambda a, b: _across_slices(
            squared, spans, least, own, room, squares[0], pads[0], limit, labels, label, ranged,
            numbers, a, b, found,
        ),
        tall,
        threads,
    )  # fmt: skip


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
def _lower_by_four(a, b, c, d, plus, start, stop, out):
    """`_lower` by four rows at once, for which `out` is read and written once."""
    plus_a, plus_b, plus_c, plus_d = plus[0], plus[1], plus[2], plus[3]
    for x in range(start, stop):
        first, second, third, fourth = a[x] + plus_a, b[x] + plus_b, c[x] + plus_c, d[x] + plus_d
        first = second if second < first else first
        third = fourth if fourth < third else third
        first = third if third < first else first
        out[x] = first if first < out[x] else out[x]


@njit(cache=True, nogil=True)
def _in_slices(labels, label, own, room, squares, widths, first, last, squared, spans, least):
    """Squared distance to the border voxels of the same slice, for slices first..last.

    `squared` (z, y, x): z within the structure's box, y and x within reach of it. A row holds
    values within its span [start, stop), FAR elsewhere; `least` is the smallest of them.
    """
    (y_own, y_end), (x_own, x_end) = own[1], own[2]
    (y_room, _), (x_room, _) = room[1], room[2]
    tall, wide = squared.shape[1:]
    lines = np.empty((y_end - y_own, wide), np.float32)
    ends = np.empty((y_end - y_own, 2), np.int64)  # first and last border voxel of a row
    for k in range(first, last):
        z = own[0, 0] + k
        for j in range(y_end - y_own):
            line, seen = lines[j], -1
            ends[j, 0], ends[j, 1] = -1, -2
            for x in range(x_own, x_end):
                if labels[z, y_own + j, x] == label and _on_border(labels, label, z, y_own + j, x):
                    i = x - x_room
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
                for a in range(seen, wide):
                    line[a] = squares[2][a - seen]
        for y in range(tall):
            out = squared[k, y]
            nearest, farthest = y + y_room - y_own - (widths.size - 1), y + y_room - y_own
            nearest, farthest = max(nearest, 0), min(farthest + widths.size, y_end - y_own)
            start, stop = wide, 0
            for j in range(nearest, farthest):
                if ends[j, 0] >= 0:
                    width = widths[abs(y + y_room - y_own - j)]
                    start = min(start, max(ends[j, 0] - width, 0))
                    stop = max(stop, min(ends[j, 1] + width + 1, wide))
            if stop <= start:
                continue
            for j in range(nearest, farthest):
                if ends[j, 0] >= 0:
                    away = abs(y + y_room - y_own - j)
                    a = max(ends[j, 0] - widths[away], 0)
                    b = min(ends[j, 1] + widths[away] + 1, wide)
                    _lower(lines[j], squares[1][away], a, b, out)
            spans[k, y, 0], spans[k, y, 1] = start, stop
            least[k, y] = out[start:stop].min()


@njit(cache=True, nogil=True, error_model="numpy")
def _across_slices(
    squared, spans, least, own, room, squares, pad, limit, labels, label, ranged, numbers,
    first, last, found,
):  # fmt: skip
    """Distances over all slices, and their scores, for the columns first..last along y."""
    z_own, (z_room, z_end) = own[0, 0], room[0]
    low, high, border = numbers
    deep, _, wide = squared.shape
    out, near, plus = np.empty(wide, np.float32), np.empty(deep, np.int64), squares.copy()
    for j in range(first, last):
        y = room[1, 0] + j
        for z in range(z_room, z_end):
            count, start, stop = 0, wide, 0
            for k in range(max(z - z_own - pad, 0), min(z - z_own + pad + 1, deep)):
                away = squares[abs(z - z_own - k)]
                if least[k, j] + away <= limit:
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
                    squared[a, j], squared[b, j], squared[c, j], squared[d, j], plus[n:],
                    min(spans[a, j, 0], spans[b, j, 0], spans[c, j, 0], spans[d, j, 0]),
                    max(spans[a, j, 1], spans[b, j, 1], spans[c, j, 1], spans[d, j, 1]),
                    out,
                )  # fmt: skip
            for n in range(fours, count):
                k = near[n]
                _lower(squared[k, j], plus[n], spans[k, j, 0], spans[k, j, 1], out)
            names, scores = labels[z, y, room[2, 0] :], found[z, y, room[2, 0] :]
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
