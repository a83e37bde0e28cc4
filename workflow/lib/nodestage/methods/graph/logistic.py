"""Logistic regression as plain numbers, with a ridge penalty."""

from typing import TypedDict

import numpy as np

from nodestage.methods.standardize import center_and_scale


class Fitted(TypedDict):
    """P(1) = 1 / (1 + exp(−intercept − weights · x)), x standardized by center and scale."""

    center: list[float]
    scale: list[float]
    weights: list[float]
    intercept: float


def fit(x: np.ndarray, y: np.ndarray, penalty: float) -> Fitted:
    """Fit by penalized maximum likelihood.

    x : (patients, features); y : 0 or 1 (patients,), both present; penalty : half of this times the sum of
    the squared weights is added to the negative log-likelihood
    """
    from sklearn.linear_model import LogisticRegression

    center, scale = center_and_scale(x)
    model = LogisticRegression(C=1 / penalty, max_iter=5000, tol=1e-8)
    model.fit((x - np.array(center)) / np.array(scale), y)
    return {
        "center": center,
        "scale": scale,
        "weights": model.coef_[0].tolist(),
        "intercept": float(model.intercept_[0]),
    }


def probabilities(model: Fitted, x: np.ndarray) -> np.ndarray:
    """Probability of class 1 (patients,), of features (patients, features)."""
    z = (x - np.array(model["center"])) / np.array(model["scale"])
    return 1 / (1 + np.exp(-np.clip(model["intercept"] + z @ np.array(model["weights"]), -50, 50)))


def loss(model: Fitted, x: np.ndarray, y: np.ndarray) -> float:
    """Mean negative log-likelihood; 0 without patients."""
    if not len(y):
        return 0.0
    p = np.clip(probabilities(model, x), 1e-9, 1 - 1e-9)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))
