"""Late fusion: the mean of two or more methods' scores, each on the scale of the validation patients.

Beyond the paper: radiomics reads the tumor's texture well from few patients, the networks read
tumor and nodes. Nothing is fitted on the status. Scores of training patients are too optimistic,
since the methods learned from them; a score's center and spread therefore come from the fold's
validation patients, without their labels.
"""

import numpy as np

from nodestage.methods.base import Unfit
from nodestage.methods.fusion.settings import over


class Method:
    """Mean of the standardized scores of the methods that the setting `of` names."""

    family = "late"
    needs = ("scores",)
    of = ("combined", "radiomics")

    def __init__(self, settings, seed):
        self.settings = over({"of": list(self.of)}, settings)
        self.state = {}

    def fit(self, train, validation):
        """Means and SDs of the other methods' scores over the validation patients."""
        names, values, _ = validation.gather(*self._readers(validation))
        if len(names) < 2:
            raise Unfit(f"{len(names)} validation patients have all scores; 2 are needed")
        scores = np.asarray(values, float)
        spread = scores.std(axis=0)
        for method, sd in zip(self.settings["of"], spread, strict=True):
            if not sd > 0:
                raise Unfit(f"all validation patients have the same score by {method}")
        return {"center": scores.mean(axis=0).tolist(), "spread": spread.tolist()}

    def predict(self, patients):
        """Mean of the standardized scores of each patient, or the reason why there is none."""
        names, values, reasons = patients.gather(*self._readers(patients))
        # A center may have no patient with all scores: then there is no row, but every column.
        scores = np.asarray(values, float).reshape(len(names), len(self.settings["of"]))
        scores = (scores - self.state["center"]) / self.state["spread"]
        return {n: float(row.mean()) for n, row in zip(names, scores, strict=True)} | reasons

    def _readers(self, patients):
        return [
            lambda name, method=method: patients.score(name, method)
            for method in self.settings["of"]
        ]
