"""Multi-reader multi-case analysis: differences that hold for other readers and other patients.

Obuchowski and Rockette, Communications in Statistics 1995;24:285, with the degrees of freedom of Hillis, Stat
Med 2007;26:596. Readers are compared with one another's condition, or with a method that has no readers, by
their differences: of two conditions the analysis of the differences is that of the two conditions, and with a
method it is Hillis' analysis of a single condition (his section 5.3), as Chakraborty adapts it to stand-alone
algorithms (RJafroc, `StCadVsRad`).
"""

from typing import NamedTuple

import numpy as np

from nodestage.statistics import rates, roc
from nodestage.statistics.undefined import UndefinedError

METRICS = ("auc", "balanced_accuracy", "sensitivity", "specificity")


class Average(NamedTuple):
    """A mean over readers, with its interval and the test of 0; see `random_readers`, `fixed_readers`."""

    mean: float
    se: float
    df: float
    low: float
    high: float
    p_value: float


class _Part(NamedTuple):
    """Values (readers, patients of a class), their mean's share of the estimate, and its scale in the variance."""

    values: np.ndarray
    share: float
    scale: float


def estimates(y, values, metric, strata=None):
    """One metric of several readers or methods on the same patients, and its covariances over patients.

    The AUC has DeLong's covariances. Sensitivity and specificity are means over the patients of a class, whose
    covariances are those of their calls; balanced accuracy is the mean of both.

    Parameters
    ----------
    y : labels (patients,), 0 or 1
    values : calls or ratings (readers, patients)
    metric : one of `METRICS`
    strata : fold of each patient; with it, the mean of the folds' values

    Returns
    -------
    estimates (readers,) and covariances (readers, readers)

    Raises
    ------
    UndefinedError : fewer than two patients of a class that the metric looks at (in a fold)
    """
    y, values = np.asarray(y).astype(bool), np.atleast_2d(np.asarray(values, float))
    parts = [np.arange(len(y))] if strata is None else rates.groups(strata)
    means, covariances = np.zeros(len(values)), np.zeros((len(values), len(values)))
    for part in parts:
        for one in _components(y[part], values[:, part], metric):
            means += one.share * one.values.mean(1) / len(parts)
            spread = np.atleast_2d(np.cov(one.values, ddof=1)) / one.values.shape[1]
            covariances += (one.scale / len(parts)) ** 2 * spread
    return means, covariances


def jackknife(y, values, metric="auc"):
    """As `estimates`, with the covariances of the jackknife over patients, as much published software has them.

    Parameters
    ----------
    y : labels (patients,), 0 or 1
    values : calls or ratings (readers, patients)
    """
    y, values = np.asarray(y).astype(bool), np.atleast_2d(np.asarray(values, float))
    n = len(y)
    left_out = np.array(
        [estimates(np.delete(y, i), np.delete(values, i, 1), metric)[0] for i in range(n)]
    )
    spread = np.atleast_2d(np.cov(left_out.T, ddof=0)) * (n - 1)
    return estimates(y, values, metric)[0], spread


def random_readers(values, covariances, level=0.95):
    """Mean over readers who stand for other readers, as the patients stand for other patients.

    Parameters
    ----------
    values : (readers,), an estimate of each reader, or a difference of each between two conditions
    covariances : (readers, readers), over patients

    Returns
    -------
    Average, with Hillis' degrees of freedom: those of (MS + J max(Cov, 0)) / J, where MS is the mean square
    between the J readers and Cov the mean covariance of two readers

    Raises
    ------
    UndefinedError : one reader, or no variance at all
    """
    values, covariances = np.asarray(values, float), np.asarray(covariances, float)
    readers = len(values)
    if readers < 2:
        raise UndefinedError("one reader says nothing about other readers")
    between = float(values.var(ddof=1))
    shared = max(_between_readers(covariances), 0.0)
    total = between + readers * shared
    df = (readers - 1) * (total / between) ** 2 if between > 0 else np.inf
    return _average(float(values.mean()), total / readers, df, level)


def fixed_readers(values, covariances, level=0.95):
    """Mean over these readers alone; only the patients stand for others.

    Parameters
    ----------
    values, covariances : see `random_readers`; one reader will do

    Returns
    -------
    Average with infinite degrees of freedom (the normal distribution)
    """
    values, covariances = np.asarray(values, float), np.asarray(covariances, float)
    readers = len(values)
    shared = max(_between_readers(covariances), 0.0) if readers > 1 else 0.0
    variance = (float(np.diag(covariances).mean()) + (readers - 1) * shared) / readers
    return _average(float(values.mean()), variance, np.inf, level)


def differences(values, covariances, first, second):
    """Differences of pairs of estimates, first minus second, and their covariances.

    Parameters
    ----------
    values : (estimates,); covariances : (estimates, estimates)
    first, second : indices (pairs,)

    Returns
    -------
    differences (pairs,) and covariances (pairs, pairs)
    """
    contrast = np.zeros((len(first), len(values)))
    for row, (i, j) in enumerate(zip(first, second, strict=True)):
        contrast[row, i] += 1
        contrast[row, j] -= 1
    return contrast @ values, contrast @ covariances @ contrast.T


def _average(mean, variance, df, level):
    from scipy.special import ndtri
    from scipy.stats import t

    if variance <= 1e-18:
        raise UndefinedError("no variance between readers or patients: no interval and no test")
    se = float(np.sqrt(variance))
    half = se * float(t.ppf(0.5 + level / 2, df) if np.isfinite(df) else ndtri(0.5 + level / 2))
    p = float(2 * t.sf(abs(mean) / se, df if np.isfinite(df) else 1e12))
    return Average(mean, se, float(df), mean - half, mean + half, p)


def _between_readers(covariances):
    """Mean covariance of two different readers."""
    readers = len(covariances)
    return float((covariances.sum() - np.trace(covariances)) / (readers * (readers - 1)))


def _components(y, values, metric):
    """What the estimate is a mean of, class by class."""
    if metric not in METRICS:
        raise ValueError(f"unknown metric {metric!r}; there are {', '.join(METRICS)}")
    positives, negatives = int(y.sum()), int((~y).sum())
    needed = {"sensitivity": (positives,), "specificity": (negatives,)}.get(
        metric, (positives, negatives)
    )
    if min(needed) < 2:
        raise UndefinedError(
            f"two patients of each class are needed, got {positives} positive and {negatives} negative"
        )
    if metric == "auc":
        pairs = [roc.components(y, row) for row in values]
        positive, negative = (np.array([pair[side] for pair in pairs]) for side in (0, 1))
        # Either side has the AUC as its mean; both contribute variance.
        return [_Part(positive, 1.0, 1.0), _Part(negative, 0.0, 1.0)]
    half = 0.5 if metric == "balanced_accuracy" else 1.0
    sides = {"sensitivity": (True,), "specificity": (False,)}.get(metric, (True, False))
    right = {True: values[:, y], False: 1 - values[:, ~y]}
    return [_Part(right[side], half, half) for side in sides]
