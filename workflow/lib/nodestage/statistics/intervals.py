"""Where a bootstrap interval may be given, what stands in its place, and the words for both."""

import math

import numpy as np

from nodestage.statistics.undefined import UndefinedError

FEWEST = 5
"""Patients of a class below which nothing is bootstrapped: a class of one adds no variance at all,
so that an interval is the sharper the less is known."""

FEW = 10
"""Patients of a class below which an interval is given, but called too narrow."""

POINT = 1e-9
"""Width of an interval up to which it is a point, and would look like certainty."""

SAME = "no interval: every resample gives the same"
SEPARATED = "no interval: the scores separate the classes"

KINDS = {"positive": "with metastasis", "negative": "without metastasis"}

BY_MOVER = "interval by MOVER, from Wilson’s limits of sensitivity and specificity"


def collapsed(low, high):
    """Whether an interval has no width but for rounding; False where an end is undefined (NaN)."""
    return high - low < POINT


def wide(ends, reason=SAME):
    """The interval itself; raises UndefinedError with the reason where it has no width."""
    if collapsed(*ends):
        raise UndefinedError(reason)
    return ends


def sizes(y, metric, units=None):
    """{class: patients} of the classes that a metric looks at.

    Parameters
    ----------
    y : labels (n,), 0 or 1
    metric : one of `rates.METRICS`
    units : patient of each label (n,), where one patient has several (nodes)
    """
    y = np.asarray(y).astype(bool)
    units = np.arange(len(y)) if units is None else np.asarray(units)
    masks = {"positive": y, "negative": ~y}
    looked_at = {"sensitivity": ("positive",), "specificity": ("negative",)}
    return {
        kind: len(np.unique(units[masks[kind]])) for kind in looked_at.get(metric, tuple(masks))
    }


def why_none(counts):
    """Why nothing can be bootstrapped from these patients, or nothing.

    Parameters
    ----------
    counts : {class: patients}, see `sizes`; a class that is absent altogether hides no variance
    """
    return "; ".join(
        f"fewer than {FEWEST} patients {KINDS[kind]}: a bootstrap of so few shows too little variance"
        for kind, count in counts.items()
        if 0 < count < FEWEST
    )


def caution(counts):
    """What to mind about an interval from these patients (see `why_none`), or nothing."""
    return "; ".join(
        f"fewer than {FEW} patients {KINDS[kind]}: the interval is narrower than it should be"
        for kind, count in counts.items()
        if 0 < count < FEW
    )


def wilson(successes, n, level=0.95):
    """Wilson's (1927) score interval of a share: (low, high)."""
    from scipy.special import ndtri

    z = float(ndtri(0.5 + level / 2))
    middle = (successes + z**2 / 2) / (n + z**2)
    reach = z / (n + z**2) * math.sqrt(successes * (n - successes) / n + z**2 / 4)
    # Rounding must not carry an end that is exactly 0 or 1 beyond it.
    low = max(middle - reach, 0.0) if successes else 0.0
    return low, min(middle + reach, 1.0) if successes < n else 1.0


def mover(true_positives, positives, true_negatives, negatives, level=0.95):
    """Interval of balanced accuracy without a bootstrap (Zou and Donner 2008, MOVER).

    The limits of sensitivity and specificity, Wilson's, are joined as those of two independent
    shares: each end lies as far from the estimate as the root of the squared distances of theirs.

    Returns
    -------
    (low, high)
    """
    for kind, count in (("positive", positives), ("negative", negatives)):
        if not count:
            raise UndefinedError(f"no patient {KINDS[kind]}")
    pairs = ((true_positives, positives), (true_negatives, negatives))
    rates = [successes / n for successes, n in pairs]
    below, above = zip(*(wilson(*pair, level) for pair in pairs), strict=True)
    center = sum(rates) / 2
    low, high = (math.dist(rates, limits) / 2 for limits in (below, above))
    return max(center - low, 0.0), min(center + high, 1.0)
