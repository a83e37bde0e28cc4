"""The nodal stage, pN0, pN1 or pN2, from number and volume of the nodes: proportional odds.

Beyond the paper. The score is the probability of any metastasis (pN1 or pN2), so the method is a row of every
table; a further column has the probability of pN2, from which the stage follows.
"""

import math

import numpy as np

from nodestage.methods.base import Score, Unfit
from nodestage.methods.fusion.settings import over
from nodestage.methods.staging import ordinal

STAGES = ("pN0", "pN1", "pN2")
FEWEST = 2
"""Training patients of each stage without which nothing is fitted."""


class Method:
    """Ordinal regression on the positive nodes; fitted on T alone, nothing is chosen on V."""

    family = "staging"
    needs = ("nodes", "stages")

    def __init__(self, settings, seed):
        self.settings = over({"nodes": "attention", "ridge": 1.0}, settings)
        self.state = {}

    def fit(self, train, validation):
        """Cuts and weights from the training patients whose pN is known."""
        _, values, _ = train.gather(lambda p: self._features(train, p), train.stage)
        stages = np.array([stage for _, stage in values], int)
        counts = np.bincount(stages, minlength=len(STAGES))
        if counts.min() < FEWEST:
            listed = ", ".join(f"{name} {n}" for name, n in zip(STAGES, counts, strict=True))
            raise Unfit(
                f"usable training patients by stage: {listed}; at least {FEWEST} of each are needed"
            )
        return ordinal.fit(np.array([x for x, _ in values]), stages, self.settings["ridge"])

    def predict(self, patients):
        """Probability of metastasis and of pN2 of each patient, or the reason why there is none."""
        names, values, reasons = patients.gather(lambda p: self._features(patients, p))
        if not names:
            return reasons
        shares = ordinal.above(self.state, np.array([x for (x,) in values]))
        scores = [Score(float(any_), p_n2=float(two)) for any_, two in shares]
        return dict(zip(names, scores, strict=True)) | reasons

    def _features(self, patients, name):
        """Logarithms of 1 plus number, total volume and largest volume of the positive nodes (volumes in mm³).

        With candidates also of the expected number of positive nodes, the sum of their probabilities.
        """
        nodes = self.settings["nodes"]
        volumes = patients.volumes(name, nodes)
        values = [len(volumes), sum(volumes), max(volumes, default=0.0)]
        if nodes == "candidates":
            values.append(patients.expected_nodes(name))
        return [math.log1p(value) for value in values]
