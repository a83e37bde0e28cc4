"""Probability of at least one positive node, with a learned weight for a candidate's size.

A multiple-instance rule instead of the paper's "largest positive volume": a candidate of volume v with log odds l of
being a positive node makes the patient positive with the probability s(a + b·l + c·log(v / 300 mm³)), s the
logistic function; the patient is positive where at least one candidate, or a base rate, makes it so.
"""

import numpy as np

from nodestage.methods.base import need_both_classes
from nodestage.methods.fusion.settings import over
from nodestage.methods.graph import elements

START = (0.0, 1.0, 0.0, -2.0)  # a, b, c and the log odds of the base rate: the plain noisy-or


class Method:
    """Four numbers, fitted on T alone; nothing is chosen on V."""

    family = "graph"
    needs = ("nodes",)

    def __init__(self, settings, seed):
        self.settings = over({"penalty": 1.0}, settings)
        self.state = {}

    def fit(self, train, validation):
        """The four numbers of greatest likelihood, penalized for their distance from the plain noisy-or."""
        from scipy.optimize import minimize

        names, values, _ = train.gather(lambda p: _candidates(train, p))
        y = train.labels(names)
        need_both_classes(y)
        sets = [one for (one,) in values]

        def loss(numbers):
            p = np.array([_probability(one, numbers) for one in sets])
            likelihood = y * np.log(p) + (1 - y) * np.log1p(-p)
            return (
                -likelihood.sum() + 0.5 * self.settings["penalty"] * ((numbers - START) ** 2).sum()
            )

        optimum = minimize(loss, np.array(START), method="L-BFGS-B")
        return {"numbers": optimum.x.tolist()}

    def predict(self, patients):
        """Probability of each patient, or the reason why there is none."""
        names, values, reasons = patients.gather(lambda p: _candidates(patients, p))
        numbers = np.array(self.state["numbers"])
        scores = [float(_probability(one, numbers)) for (one,) in values]
        return dict(zip(names, scores, strict=True)) | reasons


def _candidates(patients, name):
    """Log odds of being positive and log volume, standardized roughly, (n, 2)."""
    columns = elements.numbers(patients, name)
    size = np.log(np.maximum(columns["volume_mm3"], 1) / 300)
    return np.stack([elements.logit(columns["p_node_positive"]), size], axis=1)


def _probability(candidates, numbers):
    offset, slope, size, base = numbers
    odds = offset + candidates @ np.array([slope, size])
    none = -np.logaddexp(0, odds).sum() - np.logaddexp(0, base)  # log of "no one makes it positive"
    return np.clip(-np.expm1(none), 1e-9, 1 - 1e-9)
