"""How far results differ between centers, and what a further center may see."""

import math

import numpy as np

from nodestage.statistics.undefined import UndefinedError

# Below this a variance is 0 apart from rounding, as where every resample gives the same value.
NONE = 1e-12

TWO = "two centers give little information about differences between centers"
PREDICTION = "a prediction interval needs three centers"


def share_of(successes, n):
    """(share, its variance) of one center; half a patient is added on either side at 0 and at 1.

    A share of exactly 0 or 1 has no logit, and its binomial variance is 0.
    """
    if successes in (0, n):
        successes, n = successes + 0.5, n + 1
    share = successes / n
    return share, share * (1 - share) / n


def random_effects(estimates, variances, level=0.95):
    """Random-effects mean of several centers and the interval for a new one.

    DerSimonian and Laird (1986) by statsmodels' `combine_effects`. The interval is Hartung and
    Knapp's (2001), with Student's t on k - 1 degrees, and never narrower than the centers'
    variances make it (Röver, Knapp and Friede 2015: their q is at least 1); normal quantiles would
    take the variance between a handful of centers as known. The prediction interval is that of
    Higgins, Thompson and Spiegelhalter (2009), with t on k - 2 degrees, around the same error.

    Parameters
    ----------
    estimates : shares or AUCs in (0, 1), (k,); pooled on the logit scale
    variances : of the estimates on their own scale, (k,), above 0

    Returns
    -------
    dict with k, estimate, low, high, tau2 (logit scale), i2, q, p_q, prediction_low and
    prediction_high (None with fewer than three centers)
    """
    from scipy.stats import chi2, t
    from statsmodels.stats.meta_analysis import combine_effects

    value, variance = np.asarray(estimates, float), np.asarray(variances, float)
    k = len(value)
    if k < 2:
        raise UndefinedError(f"heterogeneity needs two centers, got {k}")
    if np.any(value <= 0) or np.any(value >= 1):
        raise UndefinedError("a center's value is 0 or 1, where the logit is infinite")
    if np.any(variance < NONE):
        raise UndefinedError("a center's variance is 0")
    logit = np.log(value / (1 - value))
    # statsmodels keeps a negative tau2, whose weights have no root; it is cut at 0 below.
    with np.errstate(invalid="ignore", divide="ignore"):
        combined = combine_effects(logit, variance / (value * (1 - value)) ** 2, method_re="chi2")
    tau2, q = float(combined.tau2), float(combined.q)
    tau2 = max(tau2, 0.0)
    weights = 1 / (variance / (value * (1 - value)) ** 2 + tau2)
    center = float((weights * logit).sum() / weights.sum())
    spread = float((weights * (logit - center) ** 2).sum()) / (k - 1)
    error = math.sqrt(max(spread, 1.0) / weights.sum())
    half_width = t.ppf(0.5 + level / 2, k - 1) * error
    result = {
        "k": k,
        "estimate": _share(center),
        "low": _share(center - half_width),
        "high": _share(center + half_width),
        "tau2": tau2,
        "i2": max(0.0, (q - (k - 1)) / q) if q > 0 else 0.0,
        "q": q,
        "p_q": float(chi2.sf(q, k - 1)),
        "prediction_low": None,
        "prediction_high": None,
    }
    if k > 2:
        half_width = t.ppf(0.5 + level / 2, k - 2) * math.sqrt(tau2 + error**2)
        result["prediction_low"] = _share(center - half_width)
        result["prediction_high"] = _share(center + half_width)
    return result


def _share(logit):
    return float(1 / (1 + math.exp(-logit)))
