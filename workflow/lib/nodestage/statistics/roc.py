"""ROC curves and DeLong's inference on the area under them.

No curve is mirrored: a score that ranks the negatives higher has an AUC below 0.5.
"""

from typing import NamedTuple

import numpy as np

from nodestage.statistics.rates import checked, groups
from nodestage.statistics.undefined import UndefinedError


class DeLong(NamedTuple):
    """Two AUCs on the same patients and the test of their difference (a minus b)."""

    auc_a: float
    auc_b: float
    z: float
    p_value: float

    @property
    def p(self):
        """The same as `p_value`."""
        return self.p_value


def auc(y, score):
    """Area under the ROC curve, ties counted as halves.

    Parameters
    ----------
    y : labels (n,), 0 or 1
    score : (n,), higher means more likely positive
    """
    positive, _ = components(y, score)
    return float(positive.mean())


def auc_variance(y, score):
    """DeLong's variance of the AUC; needs two patients of each class.

    DeLong, DeLong and Clarke-Pearson (1988), by midranks as in Sun and Xu (2014).
    """
    positive, negative = components(y, score)
    return _variance(positive, negative)


def auc_ci(y, score, level=0.95, strata=None):
    """DeLong's interval of the AUC, cut at 0 and 1 as pROC does.

    Parameters
    ----------
    y : labels (n,)
    score : (n,)
    strata : fold of each patient; with it, the interval of the mean of the folds' AUCs

    Returns
    -------
    (low, high). Under perfect separation DeLong's variance is 0 and both ends are 1: no interval is
    to be reported then.
    """
    from scipy.special import ndtri

    y, score = checked(y, score, "auc")
    parts = [np.arange(len(y))] if strata is None else groups(strata)
    center = np.mean([auc(y[i], score[i]) for i in parts])
    error = np.sqrt(sum(auc_variance(y[i], score[i]) for i in parts)) / len(parts)
    half_width = ndtri(0.5 + level / 2) * error
    return float(max(center - half_width, 0.0)), float(min(center + half_width, 1.0))


def delong_test(y, a, b, strata=None):
    """DeLong's paired test of two AUCs on the same patients.

    Parameters
    ----------
    y : labels (n,), 0 or 1
    a, b : scores (n,)
    strata : fold of each patient (n,). Scores of five models are not on one scale; with strata
        the difference is the mean of the folds' differences and its variance
        the sum of theirs over K^2, so that no positive is compared with another fold's negative

    Returns
    -------
    DeLong(auc_a, auc_b, z, p_value), p two-sided. Scores that rank alike give z = 0, p = 1.
    Raises UndefinedError when a class (of a fold) has fewer than two patients, or when the
    difference is not 0 and its variance is.
    """
    from scipy.special import ndtr

    auc_a, auc_b, error = _pair(y, a, b, strata)
    difference = auc_a - auc_b
    if error < 1e-12:
        if abs(difference) > 1e-12:
            raise UndefinedError(
                f"the AUCs differ by {difference:.3f} with a variance of 0: no test possible"
            )
        return DeLong(auc_a, auc_b, 0.0, 1.0)
    z = float(difference / error)
    return DeLong(auc_a, auc_b, z, float(2 * ndtr(-abs(z))))


def difference_ci(y, a, b, level=0.95, strata=None):
    """DeLong's interval of the difference of two AUCs (a minus b) on the same patients.

    Parameters
    ----------
    y, a, b, strata : see `delong_test`

    Returns
    -------
    (low, high)
    """
    from scipy.special import ndtri

    auc_a, auc_b, error = _pair(y, a, b, strata)
    half_width = ndtri(0.5 + level / 2) * error
    return float(auc_a - auc_b - half_width), float(auc_a - auc_b + half_width)


def difference_error(y, a, b, strata=None):
    """DeLong's standard error of the difference of two AUCs, see `delong_test`."""
    return float(_pair(y, a, b, strata)[2])


def roc_curve(y, score):
    """Points of the empirical ROC curve from (0, 0) to (1, 1).

    Returns
    -------
    fpr, tpr : arrays, one point a distinct score and the corner
    """
    y, score = checked(y, score, "auc")
    _both_classes(y)
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0, True)
    tpr = np.cumsum(y[order])[last] / y.sum()
    fpr = np.cumsum(~y[order])[last] / (~y).sum()
    return np.concatenate([[0.0], fpr]), np.concatenate([[0.0], tpr])


def vertical_average(curves, points=101):
    """Mean sensitivity of several ROC curves at the same false positive rates (Fawcett 2006).

    Parameters
    ----------
    curves : list of (fpr, tpr)
    points : number of false positive rates between 0 and 1

    Returns
    -------
    fpr (points,), mean tpr, standard deviation of tpr (0 for one curve). On a vertical piece
    of a curve the upper end counts, and the average starts at (0, 0).
    """
    grid = np.linspace(0, 1, points)
    heights = []
    for fpr, tpr in curves:
        # np.interp takes any of several equal abscissae: keep the highest of each.
        at, first = np.unique(fpr, return_index=True)
        top = np.maximum.reduceat(tpr, first)
        heights.append(np.interp(grid, at, top))
    heights = np.array(heights)
    mean = heights.mean(0)
    spread = heights.std(0, ddof=1) if len(heights) > 1 else np.zeros(points)
    return np.append(0.0, grid), np.append(0.0, mean), np.append(0.0, spread)


def _pair(y, a, b, strata):
    """Two AUCs (means over the strata) and the standard error of their difference."""
    y, a = checked(y, a, "auc")
    _, b = checked(y, b, "auc")
    parts = [np.arange(len(y))] if strata is None else groups(strata)
    areas_a, areas_b, variance = [], [], 0.0
    for i in parts:
        positive_a, negative_a = components(y[i], a[i])
        positive_b, negative_b = components(y[i], b[i])
        areas_a.append(positive_a.mean())
        areas_b.append(positive_b.mean())
        # The variance of the difference from the differences: exactly 0 for equal ranks.
        variance += _variance(positive_a - positive_b, negative_a - negative_b)
    return float(np.mean(areas_a)), float(np.mean(areas_b)), np.sqrt(variance) / len(parts)


def components(y, score):
    """Share of the other class that each patient is on the right side of (structural components).

    Parameters
    ----------
    y : labels (n,), 0 or 1
    score : (n,), higher means more likely positive

    Returns
    -------
    arrays (positives,) and (negatives,); O(n log n). A patient's rank among the sorted
    other class, ties in their middle, is its midrank among all patients less that in its class.
    """
    y, score = checked(y, score, "auc")
    _both_classes(y)
    x, z = score[y], score[~y]
    return _below(x, z) / len(z), 1 - _below(z, x) / len(x)


def _below(values, others):
    """How many of the others lie below each value, equal ones as halves."""
    others = np.sort(others)
    left = np.searchsorted(others, values, side="left")
    return (left + np.searchsorted(others, values, side="right")) / 2


def _variance(positive, negative):
    if min(len(positive), len(negative)) < 2:
        raise UndefinedError(
            f"DeLong's variance needs two patients of each class, got {len(positive)} positive "
            f"and {len(negative)} negative"
        )
    return float(positive.var(ddof=1) / len(positive) + negative.var(ddof=1) / len(negative))


def _both_classes(y):
    if not y.any() or y.all():
        missing = "positive" if not y.any() else "negative"
        raise UndefinedError(f"no {missing} patient among {len(y)}")
