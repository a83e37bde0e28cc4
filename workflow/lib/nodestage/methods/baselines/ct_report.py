"""CT-reported lymph-node status: the radiologist's 0 or 1 is score and call."""


class Method:
    """The radiologist's report as the call."""

    family = "baselines"
    threshold = False

    def __init__(self, settings, seed):
        self.state = {}

    def fit(self, train, validation):
        for subset in (train, validation):
            subset.gather(subset.ct_report)
        return {}

    def predict(self, patients):
        names, values, reasons = patients.gather(patients.ct_report)
        return {name: float(value) for name, (value,) in zip(names, values, strict=True)} | reasons
