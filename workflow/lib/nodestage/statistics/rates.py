"""Metrics of one set of calls, scores or probabilities, with weights so that they can be resampled.

One engine serves estimates and bootstrap: a metric takes numbers of copies of each positive and
negative patient, all ones for the estimate itself.
"""

import numpy as np

from nodestage.statistics.undefined import UndefinedError

CALL_METRICS = ("balanced_accuracy", "accuracy", "sensitivity", "specificity", "ppv", "npv")
METRICS = ("auc", *CALL_METRICS, "brier")


def takes(metric):
    """What a metric is computed from: `call`, `score` or `probability`."""
    if metric in CALL_METRICS:
        return "call"
    if metric in ("auc", "brier"):
        return {"auc": "score", "brier": "probability"}[metric]
    raise ValueError(f"unknown metric {metric!r}; there are {', '.join(METRICS)}")


def estimate(y, values, metric, strata=None):
    """One metric of one method.

    Parameters
    ----------
    y : labels (n,), 0 or 1
    values : calls, scores or probabilities (n,), see `takes`
    metric : one of `METRICS`
    strata : fold of each patient (n,); with it, the mean of the folds' own values

    Returns
    -------
    float; raises UndefinedError in words where the data do not define it
    """
    y, values = checked(y, values, metric)
    if strata is not None:
        return float(np.mean([estimate(y[i], values[i], metric) for i in groups(strata)]))
    positive, negative = split(y, metric)
    value = weighted(
        metric,
        values[None, positive],
        values[None, negative],
        np.ones((1, positive.sum()), np.float32),
        np.ones((1, negative.sum()), np.float32),
    )[0, 0]
    if np.isnan(value):
        side = "positive" if metric == "ppv" else "negative"
        raise UndefinedError(f"nobody was called {side}")
    return float(value)


def weighted(metric, positive, negative, copies_positive, copies_negative):
    """A metric under many sets of weights, for many methods at once.

    Parameters
    ----------
    positive, negative : values (methods, positives) and (methods, negatives)
    copies_positive, copies_negative : (resamples, positives) and (resamples, negatives),
        how often each patient stands in each resample

    Returns
    -------
    float array (methods, resamples), NaN where a resample does not define the metric
    """
    n_positive = copies_positive.sum(1, dtype=np.float64)
    n_negative = copies_negative.sum(1, dtype=np.float64)
    if metric == "auc":
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.stack(
                [
                    _concordance(p, q, copies_positive, copies_negative) / (n_positive * n_negative)
                    for p, q in zip(positive, negative, strict=True)
                ]
            )
    if metric == "brier":
        wrong = (1 - positive) ** 2 @ copies_positive.T.astype(float)
        wrong = wrong + negative**2 @ copies_negative.T.astype(float)
        return wrong / (n_positive + n_negative)
    # Sums of zeros and ones below 2^24 are exact in float32.
    tp = (positive.astype(np.float32) @ copies_positive.T).astype(float)
    fp = (negative.astype(np.float32) @ copies_negative.T).astype(float)
    tn = n_negative - fp
    with np.errstate(invalid="ignore", divide="ignore"):
        if metric == "sensitivity":
            return tp / n_positive
        if metric == "specificity":
            return tn / n_negative
        if metric == "accuracy":
            return (tp + tn) / (n_positive + n_negative)
        if metric == "balanced_accuracy":
            return (tp / n_positive + tn / n_negative) / 2
        if metric == "ppv":
            return tp / (tp + fp)
        return tn / (tn + n_positive - tp)


def _concordance(positive, negative, copies_positive, copies_negative):
    """Weighted number of pairs in which the positive scores higher, ties as halves: (resamples,).

    Sums of halves, exact in float32 while there are fewer than 2^22 of them.
    """
    exact = np.float32 if len(positive) * len(negative) < 2**22 else np.float64
    copies_positive = copies_positive.astype(exact, copy=False)
    total = np.zeros(len(copies_positive))
    step = max(1, 2**24 // max(len(positive), len(copies_positive), 1))  # bounds the memory
    for start in range(0, len(negative), step):
        part = negative[start : start + step]
        higher = np.sign(positive[:, None] - part[None, :]).astype(exact) * 0.5 + 0.5
        sums = copies_positive @ higher
        total += np.einsum("ij,ij->i", sums, copies_negative[:, start : start + step], dtype=float)
    return total


def exact_interval(successes, n, level=0.95):
    """Clopper-Pearson interval of a share, from quantiles of the beta distribution.

    It stays honest where the bootstrap collapses to a point, as with 7 right of 7.
    """
    from scipy.special import betaincinv

    if n < 1:
        raise UndefinedError("no patient")
    k, n, tail = int(successes), int(n), (1 - level) / 2
    low = float(betaincinv(k, n - k + 1, tail)) if k > 0 else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return low, high


def counts(y, call):
    """tp, fp, tn, fn of calls (n,) against labels (n,)."""
    y, call = checked(y, call, "accuracy")
    call = call > 0
    return (
        int(np.sum(y & call)),
        int(np.sum(~y & call)),
        int(np.sum(~y & ~call)),
        int(np.sum(y & ~call)),
    )


def shares(y, call):
    """{metric: (successes, n)} of the metrics that are a share of patients."""
    tp, fp, tn, fn = counts(y, call)
    return {
        "accuracy": (tp + tn, tp + fp + tn + fn),
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
    }


def checked(y, values, metric):
    """Labels as bool and values as float, refused in words when they can't be what they should."""
    y, values = np.asarray(y), np.asarray(values, float)
    if y.shape != values.shape or y.ndim != 1:
        raise ValueError(f"wanted one value a label, got {values.shape} and {y.shape}")
    if not np.isin(y, (0, 1)).all():
        raise ValueError("labels must be 0 or 1")
    if not np.isfinite(values).all():
        raise ValueError("values must be finite; patients without one are left out before")
    if takes(metric) == "call" and not np.isin(values, (0, 1)).all():
        raise ValueError(f"{metric} is computed from calls of 0 or 1, got other values")
    return y.astype(bool), values


def split(y, metric):
    """Masks of the positive and negative patients; refused where the metric lacks a class."""
    positive, negative = int(y.sum()), int((~y).sum())
    if not positive + negative:
        raise UndefinedError("no patient")
    if not positive and metric in ("auc", "balanced_accuracy", "sensitivity"):
        raise UndefinedError(f"no positive patient among {negative}")
    if not negative and metric in ("auc", "balanced_accuracy", "specificity"):
        raise UndefinedError(f"no negative patient among {positive}")
    return y, ~y


def groups(strata):
    """Indices of the patients of each stratum, strata in ascending order."""
    strata = np.asarray(strata)
    return [np.flatnonzero(strata == value) for value in np.unique(strata)]
