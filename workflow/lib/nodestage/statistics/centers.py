"""How far results differ between centers, and what a further center may see."""

import math

import numpy as np

from nodestage.statistics.undefined import UndefinedError

# Below this a variance is 0 but for rounding, as where every resample gives the same value.
NONE = 1e-12


def random_effects(estimates, variances, level=0.95):
    """Random-effects mean of several centers and the interval for a new one.

    DerSimonian and Laird (1986) by statsmodels' `combine_effects`; the prediction interval
    is that of Higgins, Thompson and Spiegelhalter (2009), with Student's t on k - 2 degrees.

    Parameters
    ----------
    estimates : shares or AUCs in (0, 1), (k,); pooled on the logit scale
    variances : of the estimates on their own scale, (k,), above 0

    Returns
    -------
    dict with k, estimate, low, high, tau2 (logit scale), i2, q, p_q, prediction_low and
    prediction_high (None with fewer than three centers)
    """
    from scipy.stats import chi2, norm, t
    from statsmodels.stats.meta_analysis import combine_effects

    value, variance = np.asarray(estimates, float), np.asarray(variances, float)
    k = len(value)
    if k < 2:
        raise UndefinedError(f"heterogeneity needs two centers, got {k}")
    if np.any(value <= 0) or np.any(value >= 1):
        raise UndefinedError("a center's value is 0 or 1, where the logit has no end")
    if np.any(variance < NONE):
        raise UndefinedError("a center's variance is 0")
    logit = np.log(value / (1 - value))
    # statsmodels keeps a negative tau2, whose weights have no root; cut at 0 it is fixed effects.
    with np.errstate(invalid="ignore"):
        found = combine_effects(logit, variance / (value * (1 - value)) ** 2, method_re="chi2")
    tau2, q = float(found.tau2), float(found.q)
    if tau2 > 0:
        center, error = float(found.mean_effect_re), float(found.sd_eff_w_re)
    else:
        tau2, center, error = 0.0, float(found.mean_effect_fe), float(found.sd_eff_w_fe)
    reach = norm.ppf(0.5 + level / 2) * error
    result = {
        "k": k,
        "estimate": _share(center),
        "low": _share(center - reach),
        "high": _share(center + reach),
        "tau2": tau2,
        "i2": max(0.0, (q - (k - 1)) / q) if q > 0 else 0.0,
        "q": q,
        "p_q": float(chi2.sf(q, k - 1)),
        "prediction_low": None,
        "prediction_high": None,
    }
    if k > 2:
        reach = t.ppf(0.5 + level / 2, k - 2) * math.sqrt(tau2 + error**2)
        result["prediction_low"] = _share(center - reach)
        result["prediction_high"] = _share(center + reach)
    return result


def _share(logit):
    return float(1 / (1 + math.exp(-logit)))
