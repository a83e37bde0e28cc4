"""Radiomics: the signature of the tumor in both phases."""

import numpy as np

from nodestage.core import logs
from nodestage.methods.baselines import signature


class Method:
    """Logistic regression on the radiomics signature."""

    family = "baselines"
    needs = ("radiomics",)

    def __init__(self, settings, seed):
        self.settings = signature.settings_of(settings)
        self.seed = seed
        self.state = None

    def fit(self, train, validation):
        """Fit the signature on the training patients; of validation patients only those without features are reported."""
        validation.gather(validation.radiomics)
        names, values, _ = train.gather(train.radiomics)
        table, features = matrix(
            (features_of_one for (features_of_one,) in values), train.robust_features
        )
        state = signature.fit(table, train.labels(names), features, self.settings, self.seed)
        logs.say(
            f"radiomics: {len(state['features'])} of {len(features)} features kept"
            + (f"; {state['note']}" if state["note"] else "")
        )
        return state

    def predict(self, patients):
        """Probability of metastasis of each patient, or the reason why there is none."""
        names, values, reasons = patients.gather(patients.radiomics)
        scores = [signature.probability(signature.log_odds(self.state, v)) for (v,) in values]
        return dict(zip(names, scores, strict=True)) | reasons


def matrix(features, robust=None):
    """Feature dicts as an array (patients, features), and the features' names.

    Parameters
    ----------
    features : one {name: value} per patient
    robust : names of the features that are kept; None keeps all
    """
    features = list(features)
    names = list(features[0]) if features else []
    if robust is not None:
        names = [name for name in names if name in robust]
        logs.say(
            f"radiomics: {len(names)} of {len(features[0]) if features else 0} features are robust"
        )
    return np.asarray([[values[name] for name in names] for values in features], float).reshape(
        len(features), len(names)
    ), names
