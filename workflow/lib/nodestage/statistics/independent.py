"""Two estimates from different patients: how far apart, and how far they may be."""

import math
from typing import NamedTuple

from nodestage.statistics.intervals import collapsed
from nodestage.statistics.undefined import UndefinedError


class Difference(NamedTuple):
    """Ours minus theirs, and its interval."""

    difference: float
    low: float
    high: float


def difference(ours, theirs):
    """Difference of two independent estimates, with an interval from theirs.

    Each side of the difference's interval is the root of the summed squares of the two distances
    that can move it there (MOVER: Zou and Donner 2008; for shares Newcombe's method 10, 1998). So
    it keeps the skewness of both intervals, and needs nothing but what is printed.

    Parameters
    ----------
    ours, theirs : (estimate, low, high), all of one level

    Returns
    -------
    Difference of that level; raises `UndefinedError` where an end is missing or an interval has
    no width
    """
    for estimate, low, high in (ours, theirs):
        if not all(map(math.isfinite, (estimate, low, high))):
            raise UndefinedError("one of the two has no interval")
        if collapsed(low, high):
            raise UndefinedError("one of the two intervals has no width")
    (a, a_low, a_high), (b, b_low, b_high) = ours, theirs
    return Difference(
        a - b,
        a - b - math.hypot(a - a_low, b_high - b),
        a - b + math.hypot(a_high - a, b - b_low),
    )
