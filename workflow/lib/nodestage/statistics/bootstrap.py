"""Percentile bootstrap, resampled within each class: the rule behind the paper's intervals.

A resample is a number of copies of each patient, so that a thousand of them over ten methods
are a few matrix products. Everything that is compared shares its resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from nodestage.statistics import intervals
from nodestage.statistics.rates import checked, estimate, groups, split, weighted
from nodestage.statistics.undefined import UndefinedError, answer


class Paired(NamedTuple):
    """Difference a minus b on the same patients, its interval (None without width) and two-sided p."""

    difference: float
    low: float | None
    high: float | None
    p_value: float


@dataclass(frozen=True)
class Design:
    """How patients are resampled; not both in one design.

    Attributes
    ----------
    strata : fold of each patient; with it, the interval of the mean of the folds' values,
        resampled within fold and class. There, one patient fewer is drawn than the class has in
        the fold: m draws from m patients vary by (m - 1) / m too little, which matters where a
        fold has two or seven positives (Rao and Wu 1988)
    clusters : patient of each instance; with it, whole patients are resampled instead
    """

    strata: Sequence | None = None
    clusters: Sequence | None = None

    def __post_init__(self):
        if self.strata is not None and self.clusters is not None:
            raise ValueError("strata and clusters can't be combined")


WITHIN_CLASSES = Design()


def bootstrap_ci(y, call_or_score, metric, n=1000, seed=0, design=WITHIN_CLASSES):
    """95 % percentile interval of one metric (Efron and Tibshirani 1993, chapter 13).

    Parameters
    ----------
    y : labels (n,), 0 or 1
    call_or_score : (n,), calls for rates, scores for `auc`, probabilities for `brier`
    metric : sensitivity, specificity, accuracy, balanced_accuracy, ppv, npv, auc or brier
    n : number of resamples
    design : within each class, unless it names strata or clusters

    Returns
    -------
    (low, high). Resamples that do not define the metric (nobody called positive, for PPV) are
    left out. Raises UndefinedError where a class is too small, see `resampled`.
    """
    return interval(resampled(y, [call_or_score], metric, n, seed, design)[0])


def interval(values, level=0.95):
    """Percentile interval (low, high) of a bootstrap distribution, undefined resamples left out.

    Raises UndefinedError where more than `intervals.MOST_UNDEFINED` of the resamples are undefined,
    and where all give the same value.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        raise UndefinedError("no resample defines this metric")
    if len(known) < (1 - intervals.MOST_UNDEFINED) * len(values):
        raise UndefinedError(f"no interval: {intervals.undefined_share(values)}")
    tail = 50 * (1 - level)
    low, high = np.percentile(known, [tail, 100 - tail])
    return intervals.wide((float(low), float(high)))


def resampled(y, values, metric, n=1000, seed=0, design=WITHIN_CLASSES):
    """`distributions`, or UndefinedError where too few patients would make them look precise.

    Raises UndefinedError where a class that the metric looks at has fewer than
    `intervals.FEWEST` patients, or fewer than `intervals.FEWEST_IN_FOLD` in a stratum.
    """
    reason = intervals.why_none(y, metric, design.strata, design.clusters)
    if reason:
        raise UndefinedError(reason)
    return distributions(y, values, metric, n, seed, design)


def distributions(y, values, metric, n=1000, seed=0, design=WITHIN_CLASSES):
    """Bootstrap values of one metric for several methods on shared resamples.

    Parameters
    ----------
    y : labels (patients,)
    values : list or array (methods, patients)

    Returns
    -------
    float array (methods, n), NaN where a resample does not define the metric
    """
    checks = [checked(y, row, metric) for row in values]
    y, values = checks[0][0], np.stack([row for _, row in checks])
    strata = design.strata
    if design.clusters is not None:
        split(y, metric)
        copies = _cluster_copies(design.clusters, n, seed)
        return weighted(metric, values[:, y], values[:, ~y], copies[:, y], copies[:, ~y])
    parts = [np.arange(len(y))] if strata is None else groups(strata)
    classes = [split(y[part], metric) for part in parts]
    sizes = tuple((int(positive.sum()), int(negative.sum())) for positive, negative in classes)
    total = 0.0
    drawn = _draw(n, seed, sizes, fewer=int(strata is not None))
    for part, (positive, negative), copies, size in zip(parts, classes, drawn, sizes, strict=True):
        inside = values[:, part]
        total = total + weighted(metric, inside[:, positive], inside[:, negative], *copies, size)
    return total / len(parts)


def paired_bootstrap(y, a, b, metric, n=1000, seed=0):
    """Difference of two methods in one metric, on shared resamples.

    Parameters
    ----------
    y : labels (n,)
    a, b : calls, scores or probabilities (n,) of the same patients

    Returns
    -------
    Paired(difference a - b, low, high, p_value). p is twice the smaller share of resamples on
    either side of 0, those at 0 on both, with one added above and below the line (Davison and
    Hinkley 1997, 4.2), at most 1.
    """
    values = resampled(y, [a, b], metric, n, seed)
    difference = estimate(y, a, metric) - estimate(y, b, metric)
    return paired_from(difference, values[0] - values[1])


def paired_from(difference, gaps, level=0.95):
    """`Paired` of a difference and its bootstrap distribution (n,); see `paired_bootstrap`.

    Raises UndefinedError where every resample repeats a difference that is not 0: then nothing is
    known of its variance, and p would only count the resamples.
    """
    gaps = gaps[~np.isnan(gaps)]
    ends, reason = answer(interval, gaps, level)
    if reason and (not len(gaps) or abs(difference) > 1e-12):
        raise UndefinedError(reason)
    low, high = ends or (None, None)
    # Rounding must not decide on which side an exact 0 lies.
    below, above = np.sum(gaps <= 1e-12), np.sum(gaps >= -1e-12)
    p_value = min(1.0, 2 * (1 + min(below, above)) / (len(gaps) + 1))
    return Paired(float(difference), low, high, float(p_value))


def wilcoxon_on_bootstrap(y, a, b, metric="balanced_accuracy", n=1000, seed=0):
    """The paper's test: Wilcoxon's signed rank on the pairs of bootstrap values.

    It asks whether the resampled values differ, not whether patients beyond this cohort would:
    its p falls with the number of resamples, and between two equally good models it finds
    p < 0.05 in over 90 % of cohorts. Reported because Tables VI and VII report it; not to be read alone.

    Returns
    -------
    p, two-sided; 1 when all pairs are equal
    """
    values = resampled(y, [a, b], metric, n, seed)
    return wilcoxon_from(values[0] - values[1])


def wilcoxon_from(gaps):
    """p of `wilcoxon_on_bootstrap` from the differences of the bootstrap values (n,)."""
    from scipy.stats import wilcoxon

    gaps = np.where(np.abs(gaps) < 1e-12, 0, gaps)[~np.isnan(gaps)]
    if not gaps.any():
        return 1.0
    return float(wilcoxon(gaps, method="approx").pvalue)


@lru_cache(maxsize=4)
def _draw(n, seed, sizes, fewer=0):
    """Copies of positives and negatives of each stratum, shared by all that is compared.

    `fewer` patients than there are make a resample, at least one.

    Cached, since ten methods with eight metrics use the same resamples.
    """
    random = np.random.default_rng(seed)
    drawn = [tuple(copies_of(random, n, size, fewer) for size in pair) for pair in sizes]
    for pair in drawn:
        for copies in pair:
            copies.flags.writeable = False
    return drawn


def copies_of(random, n, size, fewer=0):
    """How often each of `size` patients is drawn in each of `n` resamples: float32 (n, size)."""
    if not size:
        return np.zeros((n, 0), np.float32)
    draws = max(size - fewer, 1)
    drawn = random.integers(0, size, (n, draws)) + (np.arange(n) * size)[:, None]
    return np.bincount(drawn.ravel(), minlength=n * size).reshape(n, size).astype(np.float32)


def _cluster_copies(clusters, n, seed):
    """As `copies_of`, with whole patients drawn: float32 (n, instances)."""
    _, member = np.unique(np.asarray(clusters), return_inverse=True)
    return copies_of(np.random.default_rng(seed), n, int(member.max()) + 1)[:, member]
