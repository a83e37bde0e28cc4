"""Slices that are lost within a drawn structure."""

import numpy as np
from scipy import ndimage

MAX_SKIPPED = 3  # slices without a structure between two parts of it
MIN_SHARED = 6  # voxels that two parts share, seen along z
SHARE = 0.6  # of the piece in the first of them


def count(labels: np.ndarray) -> int:
    """Slices between two parts of one structure in which nothing of it is drawn.

    A broken copy zeroes frames of a segmentation, and a reader forgets slices. The parts are at most `MAX_SKIPPED`
    slices apart and share most of their outline; the tips of two nodes above one another don't. Organs are not
    asked: a vessel leaves a slice and comes back.

    Parameters
    ----------
    labels : integer array (z, y, x), 0 where nothing is drawn

    Returns
    -------
    number of slices
    """
    skipped: set[int] = set()
    for value, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        drawn, first = labels[box] == value, box[0].start
        for gap in range(1, min(MAX_SKIPPED, len(drawn) - 2) + 1):
            for z in range(len(drawn) - gap - 1):
                between = drawn[z + 1 : z + gap + 1].any(0)
                if _continues_without(drawn[z], drawn[z + gap + 1], between):
                    skipped.update(range(first + z + 1, first + z + gap + 1))
    return len(skipped)


def _continues_without(lower, upper, between):
    """Whether a piece of one slice goes on in another with none of it between them."""
    pieces, number = ndimage.label(lower)
    for piece in range(1, number + 1):
        one = pieces == piece
        shared = (one & upper).sum()
        if shared >= MIN_SHARED and shared >= SHARE * one.sum() and not (one & between).any():
            return True
    return False
