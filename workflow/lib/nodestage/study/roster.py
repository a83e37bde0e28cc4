"""The patients of a study, and what the sample sheet holds of each."""

from dataclasses import dataclass
from functools import cached_property

from nodestage.cohort import folds as cohort_folds
from nodestage.cohort import series_names, sheet
from nodestage.cohort import stages as cohort_stages
from nodestage.cohort.clinical import CLINICAL
from nodestage.core import reasons
from nodestage.core.names import PHASES
from nodestage.study.centers import Centers


@dataclass(frozen=True)
class Roster:
    """Patients by their study code.

    Attributes
    ----------
    rows : {patient: row of the checked sample sheet}, in the order of the codes
    centers : Centers
    study_phases : the phases of the study, by its anatomy
    own_columns : clinical columns beyond the usual ones
    """

    rows: dict[str, dict[str, str]]
    centers: Centers
    study_phases: tuple[str, ...] = PHASES
    own_columns: tuple[str, ...] = ()

    def center_of(self, patient: str) -> str:
        """The center of a patient."""
        return self.rows[patient]["center"]

    def of(self, center: str | None) -> list[str]:
        """Patient codes of a center, sorted."""
        return self._by_center.get(center, []) if center else []

    @cached_property
    def _by_center(self) -> dict[str, list[str]]:
        by_center: dict[str, list[str]] = {}
        for code, row in self.rows.items():
            by_center.setdefault(row["center"], []).append(code)
        return by_center

    # Images

    def phases(self, patient: str) -> list[str]:
        """The phases of the study that the sheet names, arterial first."""
        return [p for p in PHASES if p in self.study_phases and self.rows[patient][p]]

    def missing_phases(self, patient: str) -> list[str]:
        """The phases of the study that the sheet lacks."""
        return [phase for phase in self.study_phases if phase not in self.phases(patient)]

    @property
    def images(self) -> list[tuple[str, str]]:
        """(patient, phase) of every image that the workflow reads, whether it is used or not."""
        return [
            (patient, phase)
            for center in self.centers.with_images
            for patient in self.of(center)
            for phase in self.phases(patient)
        ]

    def imaged(self, center: str | None) -> list[str]:
        """Patients whose images go through the workflow: every phase of the study, or a substitute allowed."""
        return list(self._imaged.get(center, ())) if center else []

    @cached_property
    def _imaged(self) -> dict[str, list[str]]:
        # Input functions of every job need these and the next: computed once per study.
        return {
            center: [patient for patient in patients if self.is_imaged(patient)]
            for center, patients in self._by_center.items()
        }

    def is_imaged(self, patient: str) -> bool:
        """Whether the images of a patient can be used."""
        return not self.why_not_imaged(patient)

    def why_not_imaged(self, patient: str) -> str:
        """The reason, in every table, of a patient whose images can't be used; "" for others."""
        return self._why_not_imaged[patient]

    @cached_property
    def _why_not_imaged(self) -> dict[str, str]:
        return {patient: self._reason_of(patient) for patient in self.rows}

    def _reason_of(self, patient: str) -> str:
        center = self.center_of(patient)
        absent = self.missing_phases(patient)
        if absent and (not self.phases(patient) or not self.centers.substitutes(center)):
            return reasons.sentence(
                "both_phases_missing" if len(absent) == 2 else f"{absent[0]}_missing"
            )
        if self.centers.source("organs", center) == "given" and not self.rows[patient]["organs"]:
            return reasons.sentence("no_organ_mask")
        return ""

    def reasons(self, patients: list[str]) -> dict[str, str]:
        """{patient: reason} of those that no image-based method can score, as the sheet shows."""
        return {
            patient: self.why_not_imaged(patient)
            for patient in patients
            if not self.is_imaged(patient) and self.center_of(patient) not in self.centers.returned
        }

    def series(self, patient: str, phase: str) -> str:
        """Which series of a DICOM folder to take; empty where there is only one.

        A UID or a description is a digest: Snakemake stores the parameters of jobs in its records.
        """
        return series_names.without_text(sheet.series_of(self.rows[patient], phase))

    def hu_offset(self, patient: str) -> int:
        """HU added to every voxel of the patient's images."""
        return self.centers.entries[self.center_of(patient)].get("hu_offset", 0)

    # Clinical columns

    def metastasis(self, patients: list[str]) -> dict[str, int]:
        """{patient: 0 or 1} of those whose status is known."""
        return {p: int(self.rows[p]["metastasis"]) for p in patients if self.rows[p]["metastasis"]}

    def stages(self, patients: list[str]) -> dict[str, int]:
        """{patient: 0, 1 or 2} of those whose pN is known; without metastasis it is pN0."""
        known = {p: cohort_stages.of_row(self.rows[p]) for p in patients}
        return {patient: stage for patient, stage in known.items() if stage is not None}

    def clinical(self, patients: list[str]) -> dict[str, dict[str, str]]:
        """{patient: {column: text}}: the columns of the sheet that a method may see."""
        columns = (*CLINICAL, *self.own_columns)
        return {p: {c: self.rows[p][c] for c in columns} for p in patients}

    # Chunks

    def chunk_of(self, patient: str) -> int:
        """Number of the job in which a network predicts this patient."""
        return cohort_folds.chunk_of(patient, self.centers.chunks(self.center_of(patient)))

    def in_chunk(self, center: str, chunk: str | int) -> list[str]:
        """Patients of a center with usable images that belong to a chunk."""
        return list(self._in_chunks.get((center, int(chunk)), ()))

    @cached_property
    def _in_chunks(self) -> dict[tuple[str, int], list[str]]:
        chunks: dict[tuple[str, int], list[str]] = {}
        for center, patients in self._imaged.items():
            for patient in patients:
                chunks.setdefault((center, self.chunk_of(patient)), []).append(patient)
        return chunks


def rows_of_returned(returned: dict) -> list[dict[str, str]]:
    """Rows as the sample sheet has them, of the patients in files that other hospitals returned.

    returned : {center: exchange.returned.reading.Returned}
    """
    empty = dict.fromkeys(sheet.COLUMNS, "")
    return [
        {**empty, "patient": patient, "center": center, "metastasis": status}
        for center, file in returned.items()
        for patient, status in file.metastasis.items()
    ]
