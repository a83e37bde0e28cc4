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


def estimate(y, values, metric, strata=None, of="patient"):
    """One metric of one method.

    Parameters
    ----------
    y : labels (n,), 0 or 1
    values : calls, scores or probabilities (n,), see `takes`
    metric : one of `METRICS`
    strata : fold of each patient (n,); with it, the mean of the folds' values
    of : what is labelled, for messages

    Returns
    -------
    float; raises UndefinedError with the reason where the data do not define it
    """
    y, values = checked(y, values, metric)
    if strata is not None and len(y):
        return float(np.mean([estimate(y[i], values[i], metric, of=of) for i in groups(strata)]))
    positive, negative = split(y, metric, of)
    value = weighted(
        metric,
        values[None, positive],
        values[None, negative],
        np.ones((1, positive.sum()), np.float32),
        np.ones((1, negative.sum()), np.float32),
    )[0, 0]
    if np.isnan(value):
        side = "positive" if metric == "ppv" else "negative"
        nobody = "nobody" if of == "patient" else f"no {of}"
        raise UndefinedError(f"{nobody} was called {side}")
    return float(value)


def weighted(metric, positive, negative, copies_positive, copies_negative, sizes=None):
    """A metric under many sets of weights, for many methods at once.

    Parameters
    ----------
    positive, negative : values (methods, positives) and (methods, negatives)
    copies_positive, copies_negative : (resamples, positives) and (resamples, negatives),
        how often each patient is in each resample
    sizes : (positives, negatives) that a resample represents, where fewer are drawn than there are

    Returns
    -------
    float array (methods, resamples), NaN where a resample does not define the metric
    """
    n_positive = copies_positive.sum(1, dtype=np.float64)
    n_negative = copies_negative.sum(1, dtype=np.float64)
    if metric == "auc":
        copies = [
            np.ascontiguousarray(part.T, np.float32) for part in (copies_positive, copies_negative)
        ]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.stack(
                [
                    _concordance(p, q, *copies) / (n_positive * n_negative)
                    for p, q in zip(positive, negative, strict=True)
                ]
            )
    if metric == "brier":
        wrong = [(1 - positive) ** 2 @ copies_positive.T.astype(float)]
        wrong += [negative**2 @ copies_negative.T.astype(float)]
    else:
        # Sums of zeros and ones below 2^24 are exact in float32.
        tp = (positive.astype(np.float32) @ copies_positive.T).astype(float)
        fp = (negative.astype(np.float32) @ copies_negative.T).astype(float)
    if sizes is not None:  # so that the classes keep their shares
        scale = [
            size / np.maximum(drawn, 1)
            for size, drawn in zip(sizes, (n_positive, n_negative), strict=True)
        ]
        n_positive, n_negative = n_positive * scale[0], n_negative * scale[1]
        if metric == "brier":
            wrong = [part * by for part, by in zip(wrong, scale, strict=True)]
        else:
            tp, fp = tp * scale[0], fp * scale[1]
    if metric == "brier":
        return sum(wrong) / (n_positive + n_negative)
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

    For each positive, the copies of the negatives below it are a running sum over the negatives
    in the order of their scores: O(patients) a resample, after one sort.

    Parameters
    ----------
    positive, negative : scores (positives,) and (negatives,)
    copies_positive, copies_negative : float32 (positives, resamples) and (negatives, resamples)
    """
    order = np.argsort(negative, kind="stable")
    below = np.zeros((len(negative) + 1, copies_negative.shape[1]), np.float32)
    for index, copies in enumerate(copies_negative[order]):  # three times as fast as np.cumsum
        np.add(below[index], copies, out=below[index + 1])
    lower = np.searchsorted(negative[order], positive, side="left")
    upper = np.searchsorted(negative[order], positive, side="right")
    passed = below[lower]
    if np.any(lower != upper):
        passed = (passed + below[upper]) / 2
    # Halves below 2^22 are exact in float32.
    exact = np.float32 if len(positive) * len(negative) < 2**22 else np.float64
    return np.einsum("ij,ij->j", passed, copies_positive, dtype=exact).astype(float)


def exact_interval(successes, n, level=0.95):
    """Clopper and Pearson's (1934) interval of a share, from quantiles of the beta distribution.

    It has a width where the bootstrap collapses to a point, as with 7 right of 7.
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
    """Labels as bool and values as float; ValueError with what is wrong where they can't be used."""
    y, values = np.asarray(y), np.asarray(values, float)
    if y.shape != values.shape or y.ndim != 1:
        raise ValueError(f"expected one value per label, got {values.shape} and {y.shape}")
    if not ((y == 0) | (y == 1)).all():
        raise ValueError("labels must be 0 or 1")
    if not np.isfinite(values).all():
        raise ValueError("values must be finite; patients without one are left out before")
    if takes(metric) == "call" and not ((values == 0) | (values == 1)).all():
        raise ValueError(f"{metric} is computed from calls of 0 or 1, got other values")
    return y.astype(bool), values


def split(y, metric, of="patient"):
    """Masks of the positive and negative patients; UndefinedError where the metric lacks a class."""
    positive, negative = int(y.sum()), int((~y).sum())
    if not positive + negative:
        raise UndefinedError(f"no {of}")
    if not positive and metric in ("auc", "balanced_accuracy", "sensitivity"):
        raise UndefinedError(f"no positive {of} among {negative}")
    if not negative and metric in ("auc", "balanced_accuracy", "specificity"):
        raise UndefinedError(f"no negative {of} among {positive}")
    return y, ~y


def groups(strata):
    """Indices of the patients of each stratum, strata in ascending order."""
    strata = np.asarray(strata)
    return [np.flatnonzero(strata == value) for value in np.unique(strata)]
