"""Status from the lymph nodes alone: the volume of the largest positive one is the score.

The setting `volume` takes the `mean` or `total` of the positive ones instead.
"""

from nodestage.methods.fusion.settings import over


class Nodes:
    """ClsbyLNSeg: nothing is fitted; the threshold is chosen later, on validation."""

    variant: str | None = None  # "plain" or "attention"

    def __init__(self, settings, seed):
        self.settings = over({"volume": "largest"}, settings)
        self.state = {}

    def fit(self, train, validation):
        """Learn nothing; only check that each patient can be read."""
        for subset in (train, validation):
            subset.gather(self._reader(subset))
        return {}

    def predict(self, patients):
        """The volume in mm3 of each patient, or the reason why there is none."""
        names, values, reasons = patients.gather(self._reader(patients))
        return dict(zip(names, (value for (value,) in values), strict=True)) | reasons

    def _reader(self, patients):
        return lambda name: patients.volume(name, self.variant, self.settings["volume"])
