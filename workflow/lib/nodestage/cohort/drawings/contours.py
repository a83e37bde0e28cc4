"""Closed contours of one slice as pixels.

A pixel is inside when its center is, by the even-odd rule; edges that are run along twice (the channel
of a keyhole) cancel out. A center exactly on an edge belongs to one side alone, so that contours which
share an edge neither overlap nor leave a gap. Libraries at hand draw edges one pixel wide (Pillow,
OpenCV), or take one polygon without holes (scikit-image, matplotlib).
"""

from collections.abc import Sequence

import numpy as np

EDGES = 20_000  # looked at in one go, which bounds memory


def filled(contour: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose center lies inside one closed contour, by the even-odd rule.

    Parameters
    ----------
    contour : float array (n, 2) of (i, j), in pixels; the last point is joined to the first
    shape : (j, i) of the slice

    Returns
    -------
    bool array (j, i)
    """
    return _odd(_crossings(contour, shape))


def nested(contours: Sequence[np.ndarray], shape: tuple[int, int]) -> tuple[np.ndarray, list[int]]:
    """Pixels inside of contours, of which one that lies wholly in another one is its hole.

    A contour in a hole is an island again. Contours that only overlap are joined; a repeated one counts
    once.

    Returns
    -------
    bool array (j, i)
    list of indices of contours that hold no pixel's center
    """
    drawn = [filled(contour, shape) for contour in contours]
    areas = [int(np.count_nonzero(one)) for one in drawn]
    pixels = np.zeros(shape, bool)
    larger: list[np.ndarray] = []
    for index in sorted(range(len(drawn)), key=lambda k: -areas[k]):
        one = drawn[index]
        if not areas[index] or any(np.array_equal(one, other) for other in larger):
            continue
        around = sum(not (one & ~other).any() for other in larger)
        larger.append(one)
        if around % 2:
            pixels &= ~one
        else:
            pixels |= one
    return pixels, [index for index, area in enumerate(areas) if not area]


def exclusive(
    contours: Sequence[np.ndarray], shape: tuple[int, int]
) -> tuple[np.ndarray, list[int]]:
    """As `nested`, for contours that are to be combined by exclusive or (`CLOSEDPLANAR_XOR`)."""
    counts = np.zeros((shape[0], shape[1] + 1), np.int64)
    empty = []
    for index, contour in enumerate(contours):
        crossings = _crossings(contour, shape)
        if not _odd(crossings).any():
            empty.append(index)
        counts += crossings
    return _odd(counts), empty


def _odd(crossings):
    """Where the number of edges to the left of a pixel's center is odd."""
    return (np.cumsum(crossings[:, :-1], axis=1) & 1).astype(bool)


def _crossings(contour, shape):
    """How many edges cross each pixel row between one center and the next, (j, i + 1)."""
    rows, columns = shape
    counts = np.zeros((rows, columns + 1), np.int64)
    start, end = np.asarray(contour, float), np.roll(contour, -1, axis=0)
    for first in range(0, len(start), EDGES):
        a, b = start[first : first + EDGES], end[first : first + EDGES]
        # Half-open: rows with low <= j < high, so that a corner counts once.
        low = np.clip(np.ceil(np.minimum(a[:, 1], b[:, 1])), 0, rows).astype(np.int64)
        high = np.clip(np.ceil(np.maximum(a[:, 1], b[:, 1])), 0, rows).astype(np.int64)
        number = high - low
        edge = np.repeat(np.arange(len(a)), number)
        if not len(edge):
            continue
        row = np.arange(len(edge)) - np.repeat(np.cumsum(number) - number, number) + low[edge]
        # From the lower end, whichever way the edge is run along: else a channel's two edges could differ.
        up = (a[:, 1] <= b[:, 1])[:, None]
        p, q = np.where(up, a, b)[edge], np.where(up, b, a)[edge]
        where = p[:, 0] + (row - p[:, 1]) / (q[:, 1] - p[:, 1]) * (q[:, 0] - p[:, 0])
        column = np.clip(np.ceil(where), 0, columns).astype(np.int64)
        np.add.at(counts, (row, column), 1)
    return counts
