"""The settings of a study by what depends on them, so that a change reruns no more than it must."""

from dataclasses import dataclass
from typing import Any

from nodestage.cohort.clinical import own_columns

# Settings of the lymph-node prediction; changing one retrains nothing.
PREDICTION = (
    "threshold",
    "min_volume_mm3",
    "windows",
    "min_attention_share",
    "step_size",
    "mirror",
)
# A setting of `identification` that only the stage after it reads.
AFTER = ("candidates",)
# How the config names the organ that holds the tumor; the second is an older name of the first.
AT_ORGAN = ("organ", "pancreas")


@dataclass(frozen=True)
class Settings:
    """Parts of the config and the anatomy as jobs take them.

    Attributes
    ----------
    config : dict as `config/config.yaml` has it
    anatomy : dict as `config/anatomy.yaml` has it
    """

    config: dict[str, Any]
    anatomy: dict[str, Any]

    def training(self, section: str) -> dict[str, Any]:
        """Settings of `lymph_nodes` or `identification` that training depends on."""
        left_out = (*PREDICTION, *AFTER)
        return {k: v for k, v in self.config[section].items() if k not in left_out}

    def prediction(self, section: str) -> dict[str, Any]:
        """Settings that a prediction alone depends on: changing one retrains nothing."""
        kept = (*PREDICTION, "variants")
        return {k: v for k, v in self.config[section].items() if k in kept}

    @property
    def candidates(self) -> bool:
        """Whether candidates are also classified as lymph node or other structure."""
        return bool(self.config["identification"]["candidates"])

    @property
    def estimates_ranges(self) -> bool:
        """Whether attention ranges come from each fold's training patients, not from Table II."""
        return self.config["attention"]["ranges"] == "estimated"

    @property
    def table_ranges(self) -> dict[int, tuple[float, float]]:
        """Table II as {label: (d_min, d_max)}, mm."""
        labels = self.anatomy["labels"]
        return {labels[name]: tuple(r) for name, r in self.numbered_ranges.items()}

    @property
    def numbered_ranges(self) -> dict[str, Any]:
        """{structure: [d_min, d_max]}, mm, of the structures whose range the anatomy file has in numbers."""
        return {n: r for n, r in self.anatomy["ranges_mm"].items() if not isinstance(r, str)}

    @property
    def ranged(self) -> list[int]:
        """Labels of the structures around which lymph nodes are searched."""
        return [self.anatomy["labels"][name] for name in self.anatomy["ranges_mm"]]

    @property
    def added_clinical(self) -> dict[str, bool]:
        """{column: whether it holds numbers} of the study's additional clinical columns."""
        clinical = self.anatomy["clinical"]
        return {column: isinstance(clinical[column], dict) for column in own_columns(clinical)}

    @property
    def classes(self) -> int:
        """Classes of the organ network that labels every patient."""
        return max(self.anatomy["labels"].values())

    @property
    def teacher_classes(self) -> int:
        """Classes of the organ network that learns from auxiliary centers."""
        return self.classes - len(self.anatomy["drawn_only"])

    @property
    def one_phase(self) -> str | None:
        """The phase of a study that has a single one; None where it has both."""
        phases = self.anatomy["phases"]
        return phases[0] if len(phases) == 1 else None

    @property
    def ranges_source(self) -> str:
        """Where the ranges of the anatomy come from, in words."""
        return "anatomy file" if self.config.get("anatomy") else "Table II"

    @property
    def robustness(self) -> dict[str, Any] | None:
        """{icc, patients} of the filter of radiomics features; None where it is off."""
        return (self.config.get("radiomics") or {}).get("robustness")

    @property
    def median_spacing(self) -> bool:
        """Whether the study spacing comes from the discovery images rather than the config."""
        return self.config["spacing_mm"] == "median"

    @property
    def structures(self) -> dict[str, Any]:
        """Labels, ranges, stations and vessels: what measuring lymph nodes takes from the anatomy."""
        return {key: self.anatomy[key] for key in ("labels", "ranges_mm", "stations", "vessels")}

    @property
    def tumor_organ(self) -> int:
        """Label of the organ that holds the tumor."""
        return self.anatomy["labels"][self.anatomy["tumor_organ"]]

    @property
    def piece_organ(self) -> int | None:
        """That label where a tumor's piece is chosen by it; None where the largest piece counts."""
        # Older bundles don't have this key.
        return self.tumor_organ if self.config["tumor"].get("piece") in AT_ORGAN else None

    @property
    def view_organ(self) -> str | None:
        """Name of the organ on which views are centered without a tumor mask; None: such patients have no views."""
        chosen = self.config["tumor"]["without_mask"]
        return self.anatomy["tumor_organ"] if chosen in AT_ORGAN else None

    @property
    def simulated(self) -> bool:
        """Whether the study's patients are simulated."""
        return self.config["samples"] is None

    def simulator(self, row: dict[str, str]) -> dict[str, Any]:
        """The simulator's settings that one patient depends on; no other patient's or center's."""
        from nodestage import simulator

        return simulator.patient_settings(simulated(self.config, self.anatomy), row)


def simulated(config: dict[str, Any], anatomy: dict[str, Any]) -> dict[str, Any]:
    """The simulator's settings, with the anatomy that it draws where a study has another one."""
    if not config.get("anatomy"):
        return config["simulator"]
    drawn = {key: anatomy[key] for key in ("labels", "tumor_organ", "phases")}
    return config["simulator"] | {"anatomy": drawn}
