"""How many patients an external validation needs, so that its intervals are as narrow as wanted.

Each metric is a function of the number of patients that gives the width of the interval to expect;
`fewest` is the smallest number that keeps it. The formulas are those of Riley and others (2021, "Minimum
sample size for external validation of a clinical prediction model with a binary outcome") for the
C statistic, calibration and net benefit, and the intervals of this package for shares and balanced
accuracy. A width is an expectation: half of all studies get a wider interval.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from nodestage.statistics import intervals
from nodestage.statistics.undefined import UndefinedError

MOST = 10**9
"""Patients beyond which no study is planned."""

NODES, REACH = 4001, 8.0
"""Points of the integral over a normal linear predictor, and how many SD it reaches to either side."""


@dataclass(frozen=True)
class Expected:
    """What is expected of the model in the new hospital; None where it is not to be planned for.

    Attributes
    ----------
    prevalence : share of patients with metastasis
    auc : C statistic
    ratio : observed over expected number of positive patients
    slope : calibration slope
    sensitivity, specificity : at the frozen threshold
    risk_threshold : probability from which one would act, for net benefit
    linear_predictor : (mean, SD) of the logit of the predicted probability over all patients; None:
        that of a calibrated model with this AUC whose logits are normal in either class
    """

    prevalence: float
    auc: float | None = None
    ratio: float = 1.0
    slope: float = 1.0
    sensitivity: float | None = None
    specificity: float | None = None
    risk_threshold: float | None = None
    linear_predictor: tuple[float, float] | None = None


@dataclass(frozen=True)
class Metric:
    """One metric of a plan.

    Attributes
    ----------
    name : as in vocabulary.yaml, or of calibration
    expected : its value
    width_of : width of the 95 % interval to expect with a number of patients
    """

    name: str
    expected: float
    width_of: Callable[[float], float]


def metrics(expected: Expected) -> list[Metric]:
    """The metrics that these expectations allow, in the order of a report.

    Raises
    ------
    UndefinedError where an expectation is impossible, with the reason
    """
    _check(expected)
    share, sens, spec = expected.prevalence, expected.sensitivity, expected.specificity
    listed = []
    if expected.auc is not None:
        auc = expected.auc
        listed.append(Metric("auc", auc, lambda n: _wald(auc_error(n, auc, share))))
    if sens is not None and spec is not None:
        listed.append(
            Metric(
                "balanced_accuracy",
                (sens + spec) / 2,
                lambda n: balanced_width(n, share, sens, spec),
            )
        )
    if sens is not None:
        listed.append(Metric("sensitivity", sens, lambda n: share_width(n * share, sens)))
    if spec is not None:
        listed.append(Metric("specificity", spec, lambda n: share_width(n * (1 - share), spec)))
    ratio = expected.ratio
    listed.append(Metric("observed_expected", ratio, lambda n: ratio_width(n, share, ratio)))
    if expected.linear_predictor is not None or expected.auc is not None:
        values, weights = linear_predictor(expected)
        unit = slope_error(1, values, weights, (0.0, expected.slope))
        listed.append(Metric("slope", expected.slope, lambda n: _wald(unit / math.sqrt(n))))
    if sens is not None and spec is not None and expected.risk_threshold is not None:
        at = expected.risk_threshold
        benefit = standardized_benefit(share, sens, spec, at)
        listed.append(
            Metric("net_benefit", benefit, lambda n: _wald(benefit_error(n, share, sens, spec, at)))
        )
    return listed


def fewest(width_of: Callable[[float], float], wanted: float) -> int:
    """The smallest number of patients with an interval no wider than wanted.

    Parameters
    ----------
    width_of : width to expect with n patients, falling with n
    wanted : width

    Raises
    ------
    UndefinedError where `MOST` patients aren't enough
    """
    if width_of(MOST) > wanted:
        raise UndefinedError(f"not even {MOST:,} patients give an interval of width {wanted:g}")
    low, high = 1, 2
    while width_of(high) > wanted:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if width_of(middle) <= wanted else (middle + 1, high)
    return low


def auc_error(n: float, auc: float, prevalence: float) -> float:
    """Standard error of the C statistic of n patients (Newcombe 2006, method 4; Riley and others 2021, Eq. 8)."""
    half = max(n / 2 - 1, 0)
    spread = auc * (1 - auc) * (1 + half * (1 - auc) / (2 - auc) + half * auc / (1 + auc))
    return math.sqrt(spread / (n**2 * prevalence * (1 - prevalence)))


def ratio_width(n: float, prevalence: float, ratio: float = 1.0) -> float:
    """Width of the interval of O/E, symmetric on the logarithmic scale (Riley and others 2021, Eq. 5)."""
    error = math.sqrt((1 - prevalence) / (n * prevalence))
    # Beyond exp(700) a float overflows; the interval is infinitely wide for any purpose.
    return 2 * ratio * math.sinh(min(_z() * error, 700.0))


def slope_error(n: float, values, weights, line=(0.0, 1.0)) -> float:
    """Standard error of the calibration slope from Fisher's information (Riley and others 2021, Eq. 6).

    Parameters
    ----------
    n : patients
    values, weights : points (k,) of the linear predictor's distribution and their weights (k,), sum 1
    line : (intercept, slope) that the model is expected to have here
    """
    values, weights = np.asarray(values, float), np.asarray(weights, float)
    logit = line[0] + line[1] * values
    spread = weights / (2 + np.exp(logit) + np.exp(-logit))  # p (1 - p)
    one, two, three = (float(np.sum(spread * values**power)) for power in range(3))
    return math.sqrt(one / (n * (one * three - two**2)))


def linear_predictor(expected: Expected):
    """(values (k,), weights (k,)) of the distribution of the linear predictor over the patients.

    Without a mean and SD: two normal distributions of equal variance whose AUC is that expected. The
    model is then calibrated if the means lie apart by that variance, and the negatives' mean is the
    prevalence's logit minus half of it (Riley and others 2021, Eq. 10, in closed form).
    """
    if expected.linear_predictor is not None:
        return _normal(*expected.linear_predictor)
    if expected.auc is None:
        raise UndefinedError("neither an AUC nor a linear predictor is expected")
    variance = 2 * NormalDist().inv_cdf(expected.auc) ** 2
    middle = math.log(expected.prevalence / (1 - expected.prevalence)) - variance / 2
    parts = [
        (share, *_normal(mean, math.sqrt(variance)))
        for share, mean in (
            (1 - expected.prevalence, middle),
            (expected.prevalence, middle + variance),
        )
    ]
    return (
        np.concatenate([values for _, values, _ in parts]),
        np.concatenate([share * weights for share, _, weights in parts]),
    )


def share_width(n: float, share: float) -> float:
    """Width of Wilson's interval of a share of n patients; n may be a fraction."""
    low, high = intervals.wilson(share * n, n)
    return high - low


def balanced_width(n: float, prevalence: float, sensitivity: float, specificity: float) -> float:
    """Width of the interval of balanced accuracy by MOVER, from Wilson's of its two shares."""
    positives, negatives = n * prevalence, n * (1 - prevalence)
    low, high = intervals.mover(
        sensitivity * positives, positives, specificity * negatives, negatives
    )
    return high - low


def standardized_benefit(prevalence, sensitivity, specificity, risk_threshold) -> float:
    """Net benefit over the prevalence, its largest possible value: at most 1."""
    weight = _weight(prevalence, risk_threshold)
    return sensitivity - weight * (1 - specificity)


def benefit_error(n, prevalence, sensitivity, specificity, risk_threshold) -> float:
    """Standard error of the standardized net benefit of n patients (Riley and others 2021, Eq. 11)."""
    weight, wrong = _weight(prevalence, risk_threshold), 1 - specificity
    spread = sensitivity * (1 - sensitivity) / prevalence
    spread += weight**2 * specificity * wrong / (1 - prevalence)
    spread += weight**2 * wrong**2 / (prevalence * (1 - prevalence))
    return math.sqrt(spread / n)


def _weight(prevalence, risk_threshold):
    return (1 - prevalence) / prevalence * risk_threshold / (1 - risk_threshold)


def _normal(mean, sd):
    values = np.linspace(mean - REACH * sd, mean + REACH * sd, NODES)
    weights = np.exp(-(((values - mean) / sd) ** 2) / 2)
    return values, weights / weights.sum()


def _z():
    return NormalDist().inv_cdf(0.975)


def _wald(error):
    return 2 * _z() * error


def _check(expected):
    inside = ("prevalence", "sensitivity", "specificity", "risk_threshold")
    for name in inside:
        value = getattr(expected, name)
        if value is not None and not 0 < value < 1:
            raise UndefinedError(
                f"{name.replace('_', ' ')} must lie between 0 and 1, got {value:g}"
            )
    if expected.auc is not None and not 0.5 < expected.auc < 1:
        raise UndefinedError(f"the AUC must lie between 0.5 and 1, got {expected.auc:g}")
    for name in ("ratio", "slope"):
        if not getattr(expected, name) > 0:
            raise UndefinedError(f"{name} must be above 0, got {getattr(expected, name):g}")
    if expected.linear_predictor is not None and not expected.linear_predictor[1] > 0:
        raise UndefinedError("the SD of the linear predictor must be above 0")
