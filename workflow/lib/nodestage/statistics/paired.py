"""Tests of two methods on the same patients, and of families of them."""

import math

import numpy as np

from nodestage.statistics.rates import checked
from nodestage.statistics.undefined import UndefinedError

EXACT_BELOW = 25  # discordant pairs; from here on McNemar's chi-squared with correction

EXACT_RANKS_TO = 50  # pairs, up to which the distribution of the signed ranks is worked out


def mcnemar(y, call_a, call_b):
    """McNemar's test of the shares of right calls, from statsmodels.

    Exact binomial below 25 discordant patients, else chi-squared with continuity correction.
    To test sensitivity give the positive patients alone, specificity the negative ones.

    Parameters
    ----------
    y, call_a, call_b : (n,), 0 or 1

    Returns
    -------
    p, two-sided; 1 when the methods are right on the same patients
    """
    from statsmodels.stats.contingency_tables import mcnemar as test

    y, call_a = checked(y, call_a, "accuracy")
    _, call_b = checked(y, call_b, "accuracy")
    if not len(y):
        raise UndefinedError("no patient")
    right_a, right_b = (call_a > 0) == y, (call_b > 0) == y
    table = [
        [np.sum(right_a & right_b), np.sum(right_a & ~right_b)],
        [np.sum(~right_a & right_b), np.sum(~right_a & ~right_b)],
    ]
    discordant = int(table[0][1] + table[1][0])
    if not discordant:
        return 1.0
    return float(min(1.0, test(table, exact=discordant < EXACT_BELOW).pvalue))


def holm(p_values):
    """Holm's adjustment over the defined tests of a family (Holm 1979).

    Parameters
    ----------
    p_values : numbers, with None or NaN for what is undefined

    Returns
    -------
    list of adjusted p, None where undefined: those do not count as tests. (statsmodels'
    `multipletests` counts NaN as tests, and collects garbage at each call for a quarter second.)
    """
    defined = [i for i, p in enumerate(p_values) if p is not None and not math.isnan(p)]
    adjusted, largest = [None] * len(p_values), 0.0
    for rank, i in enumerate(sorted(defined, key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(defined) - rank) * p_values[i]))
        adjusted[i] = float(largest)
    return adjusted


def signed_rank(a, b):
    """Wilcoxon's signed-rank test on the patients' pairs (Table V).

    Parameters
    ----------
    a, b : values (n,) of the same patients; pairs with a NaN are left out

    Returns
    -------
    p, two-sided; 1 when all pairs are equal. Pairs without a difference are left out; up to 50
    others it is exact, with ties too, else by the normal approximation.
    """
    from scipy.stats import rankdata, wilcoxon

    gaps = np.asarray(a, float) - np.asarray(b, float)
    gaps = gaps[~np.isnan(gaps)]
    if not len(gaps):
        raise UndefinedError("no patient has both values")
    gaps = np.where(np.abs(gaps) < 1e-12, 0, gaps)
    if not gaps.any():
        return 1.0
    gaps = gaps[gaps != 0]
    if len(gaps) > EXACT_RANKS_TO:
        return float(wilcoxon(gaps, method="approx").pvalue)
    return _exact_signed_rank(rankdata(np.round(np.abs(gaps), 12)), gaps > 0)


def _exact_signed_rank(ranks, positive):
    """p from all choices of signs, each as likely; tied ranks are halves, so twice a rank is whole.

    Parameters
    ----------
    ranks : mean ranks (n,) of the sizes of the differences
    positive : bool (n,)
    """
    twice = np.rint(2 * ranks).astype(int)
    share = np.ones(1)  # of the choices of signs, by the doubled sum of the positive ranks
    for rank in twice:
        share = (np.append(share, np.zeros(rank)) + np.append(np.zeros(rank), share)) / 2
    rank_sum = int(twice[positive].sum())
    return float(min(1.0, 2 * min(share[: rank_sum + 1].sum(), share[rank_sum:].sum())))


def signed_rank_share(a, b, n=1000, seed=0):
    """Share of `n` resamples of the patients in which the signed-rank test gives p < 0.05.

    The paper's "1,000 iterations of Wilcoxon signed rank test", read as a stability figure: it
    is not a p-value, and near 1 for any difference once there are patients enough. By the
    normal approximation with ties, equal to scipy's, for all resamples at once.
    """
    from scipy.stats import norm, rankdata

    gaps = np.asarray(a, float) - np.asarray(b, float)
    gaps = gaps[~np.isnan(gaps)]
    if not len(gaps):
        raise UndefinedError("no patient has both values")
    gaps = np.where(np.abs(gaps) < 1e-12, 0, np.round(gaps, 12))
    random = np.random.default_rng(seed)
    significant, limit = 0, norm.isf(0.025)
    for _ in range(n):
        drawn = gaps[random.integers(0, len(gaps), len(gaps))]
        drawn = drawn[drawn != 0]
        m = len(drawn)
        if not m:
            continue
        ranks = rankdata(np.abs(drawn))
        _, ties = np.unique(ranks, return_counts=True)
        variance = m * (m + 1) * (2 * m + 1) / 24 - np.sum(ties.astype(float) ** 3 - ties) / 48
        center = m * (m + 1) / 4
        significant += abs(ranks[drawn > 0].sum() - center) > limit * math.sqrt(variance)
    return float(significant / n)


def smallest_difference(standard_error, power=0.8, alpha=0.05):
    """The smallest true difference that a two-sided test finds with this power (Bloom 1995).

    (z of 1 - alpha/2 + z of power) times the standard error of the difference; the answer to
    "could this n have shown it?", not to "is there one?".
    """
    from scipy.special import ndtri

    return float((ndtri(1 - alpha / 2) + ndtri(power)) * standard_error)
