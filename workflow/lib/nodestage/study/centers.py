"""The centers of a study: their roles, and the config of each."""

from dataclasses import dataclass, field
from typing import Any

from nodestage.cohort import centers as cohort_centers

# Masks that are predicted by the study's networks or given for a whole center.
SOURCES = ("organs", "tumor")


@dataclass(frozen=True)
class Centers:
    """The centers and their settings.

    Attributes
    ----------
    entries : {center: its part of the config}, centers of returned files included
    defaults : the study's config, for what a center leaves out
    labels : {structure: label number} of the anatomy
    bundle_scores : whether a bundle alone scores, so that no center is one of discovery
    returned : centers that keep their images and sent back a file
    summarised : those of them that sent summaries without a row per patient
    """

    entries: dict[str, dict[str, Any]]
    defaults: dict[str, Any]
    labels: dict[str, int]
    bundle_scores: bool = False
    returned: tuple[str, ...] = ()
    summarised: tuple[str, ...] = ()
    names: list[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", list(self.entries))

    def role(self, center: str) -> str:
        """`discovery`, `external` or `auxiliary`."""
        return self.entries[center]["role"]

    @property
    def discovery(self) -> str | None:
        """The center where models are trained; None where a bundle alone scores."""
        return None if self.bundle_scores else self._with_role("discovery")[0]

    @property
    def external(self) -> list[str]:
        """Names of the external centers."""
        return self._with_role("external")

    @property
    def auxiliary(self) -> list[str]:
        """Names of the auxiliary centers."""
        return self._with_role("auxiliary")

    @property
    def reported(self) -> list[str]:
        """Centers that get a report each."""
        return [self.discovery, *self.external] if self.discovery else self.external

    @property
    def with_images(self) -> list[str]:
        """Centers whose images go through the workflow."""
        return [center for center in self.entries if center not in self.returned]

    def _with_role(self, role: str) -> list[str]:
        return sorted(name for name, entry in self.entries.items() if entry["role"] == role)

    def _entry(self, center: str | None) -> dict[str, Any]:
        """Part of the config that belongs to a center; empty without a center."""
        return self.entries[center] if center in self.entries else {}

    def source(self, mask: str, center: str | None) -> str:
        """Whether the `organs` or `tumor` masks of a center are `predicted` or `given`."""
        entry = self._entry(center).get(mask) or {}
        return entry.get("source") or self.defaults[mask]["source"]

    def substitutes(self, center: str) -> bool:
        """Whether patients with one phase are processed with that phase for both."""
        return self.entries[center].get("substitute_phase", self.defaults["substitute_phase"])

    def chunks(self, center: str) -> int:
        """Number of jobs that the center's patients are split into."""
        return self.entries[center].get("chunks", self.defaults["chunks"])

    def annotated_labels(self, center: str | None) -> list[int]:
        """Labels that a center's organ masks show; all of them unless the config restricts them."""
        names = cohort_centers.annotated(self._entry(center), self.labels)
        return sorted(self.labels[name] for name in names)

    def resamples_masks(self, center: str) -> bool:
        """Whether masks on another grid are brought to the image's."""
        return self.entries[center].get("resample_masks", False)
