"""Drawn masks: patients who have them, and networks trained or tested on them."""

from dataclasses import dataclass

from nodestage.cohort import centers as cohort_centers
from nodestage.cohort.sheet import MASKS
from nodestage.study.centers import SOURCES, Centers
from nodestage.study.roster import Roster


@dataclass(frozen=True)
class Masks:
    """Masks that the sample sheet names; a mask's role is `organs`, `tumor` or `lymph_nodes`."""

    patients: Roster
    centers: Centers

    def drawn(self, role: str, center: str | None, organ_set: str | None = None) -> list[str]:
        """Imaged patients of a center with a drawn mask, optionally of one organ set."""
        rows = self.patients.rows
        return [
            patient
            for patient in self.patients.imaged(center)
            if rows[patient][role] and organ_set in (None, rows[patient]["organ_set"])
        ]

    def auxiliary(self, role: str) -> list[str]:
        """Auxiliary patients with a drawn mask: training patients of the first network."""
        return [p for center in self.centers.auxiliary for p in self.drawn(role, center)]

    # Training and test patients of the discovery center

    def organ_set(self, name: str) -> list[str]:
        """Discovery patients with drawn organs of the `train`, `validation` or `test` set."""
        return self.drawn("organs", self.centers.discovery, name)

    @property
    def organ_network(self) -> list[str]:
        """Training and validation patients of the organ network on both phases."""
        return [*self.organ_set("train"), *self.organ_set("validation")]

    @property
    def organs_tested(self) -> list[str]:
        """Discovery patients whose drawn organs test the networks; none where they are given."""
        drawn = self.centers.source("organs", self.centers.discovery) == "given"
        return [] if drawn else self.organ_set("test")

    @property
    def tumors_tested(self) -> list[str]:
        """Likewise for the tumor; a mask compared with itself would be perfect."""
        drawn = self.centers.source("tumor", self.centers.discovery) == "given"
        return [] if drawn else self.drawn("tumor", self.centers.discovery)

    @property
    def tumor_network(self) -> list[str]:
        """Training patients of the venous tumor network: no drawn tumor, pseudo masks instead."""
        drawn = set(self.drawn("tumor", self.centers.discovery))
        return [p for p in self.patients.imaged(self.centers.discovery) if p not in drawn]

    def with_vessels(self, center: str) -> list[str]:
        """Patients with organ labels: all imaged ones, in an auxiliary center those with drawn ones."""
        if self.centers.role(center) == "auxiliary":
            return self.drawn("organs", center)
        return self.patients.imaged(center)

    def read(self, center: str) -> list[tuple[str, str]]:
        """(patient, role) of the drawn masks of a center that the workflow uses."""
        trains = self.centers.role(center) in ("discovery", "auxiliary")
        return [
            (patient, role)
            for role in MASKS
            if trains or (role in SOURCES and self.centers.source(role, center) == "given")
            for patient in self.drawn(role, center)
            if role != "lymph_nodes" or center == self.centers.discovery
        ]

    # One patient's mask

    def phase(self, patient: str, role: str) -> str:
        """The phase on which the mask was drawn."""
        return cohort_centers.mask_phase(self._entry(patient), role)

    def label_system(self, patient: str, role: str) -> dict | None:
        """How the ids in the mask translate into nodestage's; None where they are the same."""
        return cohort_centers.label_system(self._entry(patient), role, self.centers.labels)

    def segments(self, patient: str) -> dict | None:
        """Names of the segments in the masks of the patient's center; None where they are nodestage's."""
        return cohort_centers.segments(self._entry(patient))

    def original(self, patient: str, role: str) -> str:
        """The cell of the image on which a mask other than NIfTI was drawn, for comparison of UIDs.

        Empty for NIfTI, which is compared with the checked image alone.
        """
        row = self.patients.rows[patient]
        if not row[role] or row[role].lower().endswith((".nii", ".nii.gz")):
            return ""
        return row[self.phase(patient, role)]

    def _entry(self, patient: str) -> dict:
        return self.centers.entries[self.patients.center_of(patient)]
