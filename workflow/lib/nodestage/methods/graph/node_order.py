"""Status from order statistics of the candidates, by logistic regression.

The plain counterpart of `node_graph`: what the three most suspicious candidates are like, how many positive
nodes are expected, how large the largest is expected to be.
"""

import numpy as np

from nodestage.methods.base import need_both_classes
from nodestage.methods.fusion.settings import over
from nodestage.methods.graph import elements, logistic

TOP = 3
WIDTH = 2 * TOP + 3 + len(elements.TUMOR)


class Method:
    """Fitted on T; V chooses the penalty."""

    family = "graph"
    needs = ("views", "nodes")

    def __init__(self, settings, seed):
        self.settings = over({"penalties": [0.3, 1.0, 3.0, 10.0, 30.0]}, settings)
        self.state = {}

    def fit(self, train, validation):
        """Weights of the logistic regression with the penalty of the smallest loss on V."""
        x, y = _table(train)
        need_both_classes(y)
        fitted = [logistic.fit(x, y, penalty) for penalty in self.settings["penalties"]]
        x_validation, truth = _table(validation)
        return min(fitted, key=lambda model: logistic.loss(model, x_validation, truth))

    def predict(self, patients):
        """Probability of metastasis of each patient, or the reason why there is none."""
        names, values, reasons = patients.gather(lambda p: features(elements.read(patients, p)))
        x = np.array([v for (v,) in values]).reshape(len(names), WIDTH)
        p = logistic.probabilities(self.state, x)
        return dict(zip(names, map(float, p), strict=True)) | reasons


def features(patient: elements.Elements) -> np.ndarray:
    """Order statistics of one patient's candidates, and the tumor's numbers, (WIDTH,).

    Log odds of a positive node and log volume of the `TOP` most suspicious candidates (the smallest log
    odds and 0 where there are fewer), the expected number of positive nodes, and the logarithms of 1 plus the
    largest volume and of 1 plus the largest expected one (volume times probability of being positive), mm3.
    """
    order = np.argsort(-patient.positive, kind="stable")[:TOP]
    volume = np.exp(patient.candidates[:, elements.CANDIDATE.index("log_volume")])
    suspicious = np.full(2 * TOP, 0.0)
    suspicious[:TOP] = elements.logit(np.zeros(TOP))
    suspicious[: len(order)] = elements.logit(patient.positive[order])
    suspicious[TOP : TOP + len(order)] = np.log(volume[order])
    expected = [
        patient.positive.sum(),
        np.log1p((volume * (patient.node > 0.5)).max(initial=0)),
        np.log1p((volume * patient.positive).max(initial=0)),
    ]
    return np.concatenate([suspicious, expected, patient.tumor])


def _table(patients):
    names, values, _ = patients.gather(lambda p: features(elements.read(patients, p)))
    return np.array([v for (v,) in values]).reshape(len(names), WIDTH), patients.labels(names)
