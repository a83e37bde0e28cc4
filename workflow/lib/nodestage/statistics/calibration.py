"""Calibration of predicted probabilities, and the net benefit of acting on them."""

import numpy as np

from nodestage.statistics import intervals
from nodestage.statistics.rates import checked, exact_interval
from nodestage.statistics.undefined import UndefinedError


def calibration_line(y, probability):
    """Calibration slope, and intercept at slope 1 (Cox 1958; Van Calster and others 2019).

    Logistic regression of the label on the logit of the probability, from statsmodels. A slope
    below 1: predictions too extreme. An intercept above 0: predictions too low on the whole.

    Parameters
    ----------
    y : labels (n,)
    probability : (n,), in [0, 1]; 0 and 1 are moved inside by 1e-6

    Returns
    -------
    {intercept: (value, low, high), slope: (value, low, high)}, 95 % Wald intervals. The slope is
    (None, None, None) when the probabilities are all equal or separate the classes.
    """
    y, logit = _logits(y, probability)
    intercept = _fit(y, np.ones((len(y), 1)), logit)[0]
    slope = (None, None, None)
    if np.ptp(logit) > 1e-9 and not _separated(y, logit):
        slope = _fit(y, np.stack([np.ones_like(logit), logit], 1))[1]
    return {"intercept": intercept, "slope": slope}


def why_no_slope(y, probability):
    """The reason why `calibration_line` gives no slope, or ""."""
    y, logit = _logits(y, probability)
    if np.ptp(logit) <= 1e-9:
        return "the same probability for everybody: no slope"
    return "the probabilities separate the classes: the slope is infinite" * _separated(y, logit)


def _joined(group, least):
    """Group numbers (n,) after each group smaller than `least` was joined to the one below (the lowest: above)."""
    group = group.copy()
    while len(names := np.unique(group)) > 1:
        sizes = [(group == name).sum() for name in names]
        small = int(np.argmin(sizes))
        if sizes[small] >= least:
            break
        group[group == names[small]] = names[small - 1 if small else 1]
    return group


def calibration_curve(y, probability, bins=10, least=5):
    """Observed share of positives in groups of rising probability (Van Calster and others 2016).

    Groups hold about equally many patients, at least `least` where there are as many; equal
    probabilities stay together.

    Returns
    -------
    list of {predicted, observed, low, high, n, positives}, with exact intervals
    """
    y, probability = checked(y, probability, "brier")
    if not len(y):
        raise UndefinedError("no patient")
    bins = max(1, min(bins, len(y) // least))
    edges = np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1])
    group = _joined(np.searchsorted(edges, probability, side="left"), least)
    rows = []
    for value in np.unique(group):
        inside = group == value
        low, high = exact_interval(y[inside].sum(), inside.sum())
        rows.append(
            {
                "predicted": float(probability[inside].mean()),
                "observed": float(y[inside].mean()),
                "low": low,
                "high": high,
                "n": int(inside.sum()),
                "positives": int(y[inside].sum()),
            }
        )
    return rows


def decision_curve(y, probability, thresholds=None):
    """Net benefit of acting above each risk threshold (Vickers and Elkin 2006).

    true positives / n - false positives / n * t / (1 - t); beside it that of acting on
    everybody; that of acting on nobody is 0.

    Parameters
    ----------
    thresholds : risks between 0 and 1; 0.05 to 0.95 by default

    Returns
    -------
    list of {threshold, net_benefit, net_benefit_all, net_benefit_none}
    """
    y, probability = checked(y, probability, "brier")
    if not len(y):
        raise UndefinedError("no patient")
    thresholds = np.arange(1, 20) / 20 if thresholds is None else np.asarray(thresholds, float)
    share = y.mean()
    rows = []
    for t in thresholds:
        odds = t / (1 - t)
        act = probability >= t
        rows.append(
            {
                "threshold": float(t),
                "net_benefit": float(np.mean(act & y) - np.mean(act & ~y) * odds),
                "net_benefit_all": float(share - (1 - share) * odds),
                "net_benefit_none": 0.0,
            }
        )
    return rows


def net_benefit_limits(y, probability, thresholds, n=1000, seed=0):
    """95 % percentile interval of the net benefit at each threshold.

    Whole patients are resampled, not each class by itself: the net benefit depends on the prevalence,
    whose uncertainty is part of it (Vickers and others 2008, Extensions to decision curve analysis).

    Parameters
    ----------
    thresholds : risks between 0 and 1, as in `decision_curve`
    n : number of resamples
    seed : int; the same resamples for every method with as many patients

    Returns
    -------
    list of (low, high). Raises UndefinedError with fewer than five patients of a class, as every
    bootstrap here.
    """
    y, probability = checked(y, probability, "brier")
    thresholds = np.asarray(thresholds, float)
    small = min(int(y.sum()), int((~y).sum()))
    if small < intervals.FEWEST:
        raise UndefinedError(
            f"{small} patients of a class: {intervals.FEWEST} are needed to resample"
        )
    odds = thresholds / (1 - thresholds)
    acts = probability[:, None] >= thresholds
    gain = np.where(
        acts, np.where(y[:, None], 1.0, -odds), 0.0
    )  # of one patient, at each threshold
    size = len(y)
    rng = np.random.default_rng(seed)
    copies = rng.multinomial(size, np.full(size, 1 / size), n)
    low, high = np.percentile(copies @ gain / size, [2.5, 97.5], axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def _logits(y, probability):
    y, probability = checked(y, probability, "brier")
    if not y.any() or y.all():
        missing = "positive" if not y.any() else "negative"
        raise UndefinedError(f"no {missing} patient among {len(y)}")
    probability = np.clip(probability, 1e-6, 1 - 1e-6)
    return y, np.log(probability / (1 - probability))


def _separated(y, x):
    """Whether a cut on `x` separates the classes, ties on the cut included."""
    return bool(x[y].min() >= x[~y].max() or x[~y].min() >= x[y].max())


def _fit(y, design, offset=None):
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    fit = GLM(y.astype(float), design, family=Binomial(), offset=offset).fit()
    ends = fit.conf_int()
    return [
        (float(v), float(low), float(high)) for v, (low, high) in zip(fit.params, ends, strict=True)
    ]
