"""CT-reported lymph-node status: the radiologist's 0 or 1 is score and call."""


class Method:
    """The radiologist's report as the call."""

    family = "baselines"
    threshold = False

    def __init__(self, settings, seed):
        self.state = {}

    def fit(self, train, validation):
        """Learn nothing; only check that each patient can be read."""
        for subset in (train, validation):
            subset.gather(subset.ct_report)
        return {}

    def predict(self, patients):
        """The report's 0 or 1 of each patient, or the reason why there is none."""
        names, values, reasons = patients.gather(patients.ct_report)
        return {name: float(value) for name, (value,) in zip(names, values, strict=True)} | reasons
