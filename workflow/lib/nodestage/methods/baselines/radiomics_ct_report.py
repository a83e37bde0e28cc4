"""Radiomics and CT-reported status: a logistic regression on signature and report.

The regression learns from signatures of training patients that were fitted without them
(out of fold, inside T): the signature of a patient it was fitted on is too
optimistic, and the report would have little weight. Robust features
(`radiomics.robustness`) are determined in T as a whole: this uses no label.
"""

import numpy as np

from nodestage.core import logs
from nodestage.methods.base import Unfit
from nodestage.methods.baselines import signature
from nodestage.methods.baselines.radiomics import matrix


class Method:
    """Logistic regression on the radiomics signature and the report."""

    family = "baselines"
    needs = ("radiomics",)

    def __init__(self, settings, seed):
        self.settings = signature.settings_of(settings)
        self.seed = seed
        self.state = None

    def fit(self, train, validation):
        """Fit the signature, and the regression of status on signature and CT report."""
        validation.gather(validation.radiomics, validation.ct_report)
        names, values, _ = train.gather(train.radiomics, train.ct_report)
        labels = train.labels(names)
        table, features = matrix(
            (features_of_one for features_of_one, _ in values), train.robust_features
        )
        reports = np.asarray([report for _, report in values], float)
        whole = signature.fit(table, labels, features, self.settings, self.seed)
        held_out = self._held_out(table, labels, features)
        from sklearn.linear_model import LogisticRegression

        stacked = LogisticRegression(C=self.settings["C"], max_iter=10_000)
        stacked.fit(np.column_stack([held_out, reports]), labels)
        on_signature, on_report = (float(c) for c in stacked.coef_[0])
        logs.say(
            f"radiomics_ct_report: weights {on_signature:.2f} (signature), {on_report:.2f} (report)"
        )
        return {
            "signature": whole,
            "on_signature": on_signature,
            "on_report": on_report,
            "intercept": float(stacked.intercept_[0]),
        }

    def predict(self, patients):
        """Probability of metastasis of each patient, or the reason why there is none."""
        names, values, reasons = patients.gather(patients.radiomics, patients.ct_report)
        scores = [self._score(features_of_one, report) for features_of_one, report in values]
        return dict(zip(names, scores, strict=True)) | reasons

    def _score(self, features, report):
        radiomics = signature.log_odds(self.state["signature"], features)
        return signature.probability(
            self.state["on_signature"] * radiomics
            + self.state["on_report"] * report
            + self.state["intercept"]
        )

    def _held_out(self, table, labels, features):
        """Signature (log odds) of each training patient, fitted on the others."""
        folds = signature.inner_folds(labels, self.settings["inner_folds"], self.seed)
        if not folds:
            raise Unfit("a class has one training patient: no signature can be held out")
        log_odds = np.empty(len(labels))
        for rest, out in folds:
            try:
                state = signature.fit(table[rest], labels[rest], features, self.settings, self.seed)
            except Unfit as error:
                raise Unfit(f"inner fold: {error}") from error
            log_odds[out] = [
                signature.log_odds(state, dict(zip(features, row, strict=True)))
                for row in table[out]
            ]
        return log_odds
