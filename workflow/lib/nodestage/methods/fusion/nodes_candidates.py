"""Probability of at least one positive node among the candidates (`identification.candidates`).

Candidates are weighed, not cut: 1 minus the product of their probabilities of being no positive node.
"""


class Method:
    """Nothing is fitted here: the fold's forests were; the threshold is chosen later."""

    family = "fusion"
    needs = ("nodes",)

    def __init__(self, settings, seed):
        self.settings = dict(settings)
        self.state = {}

    def fit(self, train, validation):
        """Learn nothing; only check that each patient can be read."""
        for subset in (train, validation):
            subset.gather(subset.noisy_or)
        return {}

    def predict(self, patients):
        """Probability of any positive node of each patient, or the reason why there is none."""
        names, values, reasons = patients.gather(patients.noisy_or)
        return dict(zip(names, (value for (value,) in values), strict=True)) | reasons
