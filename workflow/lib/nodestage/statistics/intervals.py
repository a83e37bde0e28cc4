"""When a bootstrap interval is reported, what replaces it elsewhere, and the notes on both."""

import math

import numpy as np

from nodestage.core import reasons
from nodestage.statistics import rates
from nodestage.statistics.undefined import UndefinedError

FEWEST = 5
"""Patients of a class below which nothing is bootstrapped: a class of one adds no variance at all,
so that intervals would get narrower the fewer patients there are."""

FEWEST_IN_FOLD = 2
"""The same in a fold, for the mean of the folds: a lone patient is in every resample."""

FEW, FEW_IN_FOLD = 10, 3
"""Patients of a class below which an interval has a note that it is too narrow."""

MOST_UNDEFINED = 0.1
"""Share of resamples without a value (nobody called positive, for PPV) above which the others give
no interval: they are a favorable selection."""

POINT = 1e-9
"""Width of an interval up to which it is a point, and would look like certainty."""

SAME = "no interval: every resample gives the same"
SEPARATED = "no interval: the scores separate the classes"

KINDS = {"positive": "with metastasis", "negative": "without metastasis"}


def collapsed(low, high):
    """Whether an interval has no width but for rounding; False where an end is undefined (NaN)."""
    return high - low < POINT


def wide(ends, reason=SAME):
    """The interval itself; raises UndefinedError with the reason where it has no width."""
    if collapsed(*ends):
        raise UndefinedError(reason)
    return ends


def undefined_share(drawn):
    """`5 % of the resamples leave it undefined`, or "" where each defines it.

    Parameters
    ----------
    drawn : bootstrap values (n,), NaN where undefined
    """
    share = float(np.mean(np.isnan(drawn)))
    if not share:
        return ""
    shown = f"{100 * share:.0f}" if share >= 0.01 else "fewer than 1"
    return f"{shown} % of the resamples leave it undefined"


def why_none(y, metric, strata=None, clusters=None):
    """Why no interval can be bootstrapped from these patients, or "".

    Parameters
    ----------
    y : labels (n,), 0 or 1
    metric : one of `rates.METRICS`
    strata : fold of each patient, for a mean of the folds
    clusters : patient of each label, where one patient has several (nodes)
    """
    few, in_fold = _small(y, metric, FEWEST, FEWEST_IN_FOLD, strata, clusters)
    return "; ".join(
        [
            f"fewer than {FEWEST} patients {kind}: a bootstrap of so few shows too little variance"
            for kind in few
        ]
        + [
            f"a fold has fewer than {FEWEST_IN_FOLD} patients {kind}: no interval of the folds’ mean"
            for kind in in_fold
        ]
    )


def small_folds(y, strata):
    """Whether a fold has too few patients of a class (or none of it) for a mean of the folds."""
    return any(
        min(np.sum(y[i] == 1), np.sum(y[i] == 0)) < FEWEST_IN_FOLD for i in rates.groups(strata)
    )


def caution(y, metric, strata=None):
    """The caution to print with an interval from these patients (see `why_none`), or ""."""
    few, in_fold = _small(y, metric, FEW, FEW_IN_FOLD, strata)
    return "; ".join(
        f"{where} {kind}: the interval is narrower than it should be"
        for where, kinds in (
            (f"fewer than {FEW} patients", few),
            (f"a fold has fewer than {FEW_IN_FOLD} patients", in_fold),
        )
        for kind in kinds
    )


def reported(metric, positives, negatives, has_interval):
    """Notes on a bootstrap interval that follow from counts alone, as a center reports it.

    Parameters
    ----------
    positives, negatives : patients
    has_interval : whether the row has an interval in `low` and `high`
    """
    y = np.repeat([1, 0], [positives, negatives])
    none = why_none(y, metric)
    if none:
        return [
            none,
            *(
                [reasons.sentence("by_mover")]
                if has_interval and metric == "balanced_accuracy"
                else []
            ),
        ]
    return [caution(y, metric)] if has_interval else []


def _small(y, metric, least, least_in_fold, strata=None, clusters=None):
    """The classes, in words, that have too few patients in all, and those that have in a fold."""
    y = np.asarray(y)
    few = [KINDS[kind] for kind, count in _sizes(y, metric, clusters) if count < least]
    in_fold = [
        KINDS[kind]
        for i in ([] if strata is None else rates.groups(strata))
        for kind, count in _sizes(y[i], metric)
        if count < least_in_fold
    ]
    return few, list(dict.fromkeys(in_fold))


def _sizes(y, metric, units=None):
    """(class, patients) of the classes that a metric looks at; an absent class hides no variance."""
    y = y.astype(bool)
    units = np.arange(len(y)) if units is None else np.asarray(units)
    masks = {"positive": y, "negative": ~y}
    looked_at = {"sensitivity": ["positive"], "specificity": ["negative"]}.get(metric, masks)
    counts = [(kind, len(np.unique(units[masks[kind]]))) for kind in looked_at]
    return [(kind, count) for kind, count in counts if count]


def wilson(successes, n, level=0.95):
    """Wilson's (1927) score interval of a share: (low, high)."""
    from scipy.special import ndtri

    z = float(ndtri(0.5 + level / 2))
    middle = (successes + z**2 / 2) / (n + z**2)
    half_width = z / (n + z**2) * math.sqrt(successes * (n - successes) / n + z**2 / 4)
    # Rounding must not carry an end that is exactly 0 or 1 beyond it.
    low = max(middle - half_width, 0.0) if successes else 0.0
    return low, min(middle + half_width, 1.0) if successes < n else 1.0


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
    shares = [successes / n for successes, n in pairs]
    below, above = zip(*(wilson(*pair, level) for pair in pairs), strict=True)
    center = sum(shares) / 2
    low, high = (math.dist(shares, limits) / 2 for limits in (below, above))
    return max(center - low, 0.0), min(center + high, 1.0)
