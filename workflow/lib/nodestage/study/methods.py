"""Which methods there are, and which settings each kind of job feels."""

from functools import cached_property
from pathlib import Path

from nodestage.study.roster import Roster

SCORING = ("threshold", "min_volume_mm3", "windows", "least_share", "step_size", "mirror")
# A setting of `identification` that only the stage after it feels.
LATER = ("candidates",)
# Networks over slices, whose score the gallery can explain.
EXPLAINED = ("combined", "tumor_net", "resnet2d", "deepten")


class Methods(Roster):
    """The config's methods by family, and its settings by what depends on them."""

    @cached_property
    def families(self):
        """{family: {method: settings}}; the methods of a family are fitted by one job a fold."""
        found = {}
        for method, settings in self.config["methods"].items():
            if settings is not None:  # a user's config switches a method off by `method: null`
                found.setdefault(settings.get("family", method), {})[method] = settings
        return found

    @property
    def own_files(self):
        """{method: file} of the methods that a user added."""
        return {m: s["file"] for m, s in self.method_settings.items() if "file" in s}

    def sources(self, family):
        """Files in which the methods of a family are written."""
        own = [m["file"] for m in self.families[family].values() if "file" in m]
        return own or [Path(__file__).parents[1] / "methods" / family / "family.py"]

    @property
    def methods(self):
        return [method for methods in self.families.values() for method in methods]

    @property
    def method_settings(self):
        """{method: settings} in the order of the config, which is the order of every table."""
        return {m: s for methods in self.families.values() for m, s in methods.items()}

    @property
    def calls(self):
        """{method: {threshold, nonnegative}} where the config says how a score becomes a call."""
        kept = ("threshold", "nonnegative")
        found = {
            method: {key: settings[key] for key in kept if key in settings}
            for method, settings in self.method_settings.items()
        }
        return {method: settings for method, settings in found.items() if settings}

    @property
    def explained(self):
        """(method, family) whose network the gallery explains; () where none looks at slices.

        That of the declared endpoint, or the first of `EXPLAINED` that the config has.
        """
        for method in (self.config["statistics"]["primary"]["method"], *EXPLAINED):
            settings = self.method_settings.get(method, {})
            if method in EXPLAINED and "file" not in settings and settings:
                return method, settings["family"]
        return ()

    # Settings

    def learning(self, section):
        """The settings of lymph_nodes or identification that training depends on."""
        return {k: v for k, v in self.config[section].items() if k not in (*SCORING, *LATER)}

    def scoring(self, section):
        """Those that only a prediction depends on: changing them retrains nothing."""
        kept = (*SCORING, "variants")
        return {k: v for k, v in self.config[section].items() if k in kept}

    @property
    def candidates(self):
        """Whether candidates are told from lymph nodes, a step beyond the paper."""
        return bool(self.config["identification"]["candidates"])

    @property
    def ranges_from(self):
        return self.config["attention"]["ranges"]

    def ranges(self):
        """Table II as {label: (d_min, d_max)}."""
        labels = self.anatomy["labels"]
        return {labels[name]: tuple(r) for name, r in self.anatomy["ranges_mm"].items()}

    @property
    def spacing_is_median(self):
        """Whether the study spacing comes from the discovery images rather than the config."""
        return self.config["spacing_mm"] == "median"

    @property
    def jobs(self):
        return _Jobs(self.config["jobs"])

    def simulator_settings(self, patient):
        """The simulator's settings as one patient feels them: no other patient's, no other center's."""
        from nodestage import simulator

        return simulator.patient_settings(self.config["simulator"], self.rows[patient])


class _Jobs(dict):
    """Threads, memory and time of each kind of job; `default` stands in for what isn't named."""

    def __getitem__(self, job):
        default = super().__getitem__("default")
        return {**default, **self.get(job, {})}
