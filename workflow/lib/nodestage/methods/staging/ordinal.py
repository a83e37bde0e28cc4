"""Proportional-odds logistic regression of an ordered class, with a ridge penalty.

McCullagh, J R Stat Soc B 1980;42:109. The penalty keeps the coefficients finite where few patients are
separated by a feature.
"""

from typing import TypedDict

import numpy as np

from nodestage.methods.standardize import center_and_scale


class Fitted(TypedDict):
    """A fitted model as plain numbers: P(class > k) = 1 / (1 + exp(cuts[k] − x·weights)), x standardized."""

    center: list[float]
    scale: list[float]
    weights: list[float]
    cuts: list[float]


def fit(x: np.ndarray, classes: np.ndarray, ridge: float = 1.0) -> Fitted:
    """Fit the model by maximum likelihood, penalized.

    Parameters
    ----------
    x : features (patients, features), finite
    classes : 0, 1, 2, … (patients,), each present
    ridge : half of this times the sum of the squared weights of the standardized features is added to the
        negative log-likelihood; the cuts are not penalized

    Returns
    -------
    Fitted

    Raises
    ------
    ValueError : a class below the highest has no patient
    """
    from scipy.optimize import minimize

    x, classes = np.asarray(x, float), np.asarray(classes, int)
    count = int(classes.max(initial=0)) + 1
    if count < 2 or set(classes.tolist()) != set(range(count)):
        raise ValueError(f"each class from 0 on needs a patient, got {np.bincount(classes)}")
    center, scale = center_and_scale(x)
    z = (x - np.array(center)) / np.array(scale)
    above = np.array([(classes > k).mean() for k in range(count - 1)])
    first = -np.log(above / (1 - above))  # the cuts without any feature
    start = np.concatenate([[first[0]], np.log(np.diff(first)), np.zeros(z.shape[1])])
    optimum = minimize(
        _loss, start, (z, classes, ridge), method="BFGS", jac=True, options={"gtol": 1e-7}
    )
    cuts, weights = _unpacked(optimum.x, count)
    return {
        "center": center,
        "scale": scale,
        "weights": weights.tolist(),
        "cuts": cuts.tolist(),
    }


def above(model: Fitted, x: np.ndarray) -> np.ndarray:
    """Probability of a class above each cut, (patients, classes - 1), falling along a row.

    x : features (patients, features)
    """
    z = (np.asarray(x, float) - model["center"]) / model["scale"]
    return _expit(z @ np.asarray(model["weights"])[:, None] - np.asarray(model["cuts"]))


def _loss(parameters, z, classes, ridge):
    """Penalized negative log-likelihood and its gradient; cuts rise, since their steps are exponentials."""
    count = int(classes.max()) + 1
    cuts, weights = _unpacked(parameters, count)
    score = z @ weights
    ends = np.concatenate([[-np.inf], cuts, [np.inf]])
    upper, lower = _expit(ends[classes + 1] - score), _expit(ends[classes] - score)
    share = np.maximum(upper - lower, 1e-300)
    slope_upper, slope_lower = upper * (1 - upper) / share, lower * (1 - lower) / share
    of_score = slope_upper - slope_lower  # of the loss; that of each cut has the other sign
    of_cuts = np.zeros(count - 1)
    for k in range(count - 1):
        of_cuts[k] = slope_lower[classes == k + 1].sum() - slope_upper[classes == k].sum()
    steps = np.exp(parameters[1 : count - 1])
    of_first = of_cuts.sum()
    of_steps = np.array([of_cuts[k + 1 :].sum() * step for k, step in enumerate(steps)])
    loss = -np.log(share).sum() + 0.5 * ridge * (weights**2).sum()
    gradient = np.concatenate([[of_first], of_steps, z.T @ of_score + ridge * weights])
    return float(loss), gradient


def _unpacked(parameters, count):
    """Cuts (count - 1,) and weights from the first cut, the logarithms of the steps, and the weights."""
    steps = np.exp(parameters[1 : count - 1])
    return parameters[0] + np.concatenate([[0.0], np.cumsum(steps)]), parameters[count - 1 :]


def _expit(values):
    from scipy.special import expit

    return expit(values)
