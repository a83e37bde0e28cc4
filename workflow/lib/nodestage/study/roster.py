"""Who takes part: centers and their roles, patients and what is given of them."""

import re
from functools import cached_property

from nodestage.cohort import centers as cohort_centers
from nodestage.cohort import folds as cohort_folds
from nodestage.cohort import sheet
from nodestage.cohort.clinical import CLINICAL
from nodestage.core import reasons
from nodestage.core.names import PHASES

SOURCES = ("organs", "tumor")


class Roster:
    """The sheet and the config's centers.

    Parameters
    ----------
    config : dict as `config/config.yaml` has it
    anatomy : dict as `config/anatomy.yaml` has it
    rows : list of dicts, the checked sample sheet
    centers : {center: settings}
    frozen : bundle.Frozen, where a bundle alone scores and nothing is trained
    returned : {center: returned.reading.Returned} of those that were scored elsewhere
    """

    def __init__(self, config, anatomy, rows, centers, frozen=None, returned=None):
        self.config = config
        self.frozen = frozen
        self.anatomy = anatomy
        self.returned = returned or {}
        self.centers = centers | {
            center: {"role": "external", **{w: {"source": found.head[w]} for w in SOURCES}}
            for center, found in self.returned.items()
        }
        rows = [*rows, *_rows_of(self.returned)]
        self.rows = {row["patient"]: row for row in sorted(rows, key=lambda r: r["patient"])}

    @property
    def simulated(self):
        return self.config["samples"] is None

    # Centers

    def role(self, center):
        return self.centers[center]["role"]

    @cached_property
    def discovery(self):
        """The center where models learn; None where a bundle alone scores."""
        return None if self.frozen else self._with_role("discovery")[0]

    @cached_property
    def external(self):
        return self._with_role("external")

    @cached_property
    def auxiliary(self):
        return self._with_role("auxiliary")

    @property
    def reported(self):
        """Centers that get a report of their own."""
        return [self.discovery, *self.external] if self.discovery else self.external

    @property
    def at_hand(self):
        """Centers whose images go through the workflow."""
        return [center for center in self.centers if center not in self.returned]

    @property
    def summarised(self):
        """Centers that sent back summaries alone."""
        return [center for center, found in self.returned.items() if found.summarised]

    def _with_role(self, role):
        return sorted(name for name, center in self.centers.items() if center["role"] == role)

    def source(self, what, center):
        """Whether the organs or tumor masks of a center are `predicted` or `given`."""
        return (self.centers.get(center, {}).get(what) or {}).get("source") or self.config[what][
            "source"
        ]

    def annotated_labels(self, center):
        """Our labels that a center's organ masks hold; all of them unless the config says."""
        names = self.centers.get(center, {}).get("annotated") or list(self.anatomy["labels"])
        return sorted(self.anatomy["labels"][name] for name in names)

    # Patients

    def center_of(self, patient):
        return self.rows[patient]["center"]

    def of(self, center):
        """Patient codes of a center, sorted."""
        return self._by_center.get(center, [])

    @cached_property
    def _by_center(self):
        found = {}
        for code, row in self.rows.items():
            found.setdefault(row["center"], []).append(code)
        return found

    def phases(self, patient):
        """The phases that the sheet gives, arterial first."""
        return [phase for phase in PHASES if self.rows[patient][phase]]

    @property
    def images(self):
        """(patient, phase) of every image at hand, whether it is used or not."""
        return [(p, phase) for c in self.at_hand for p in self.of(c) for phase in self.phases(p)]

    def imaged(self, center):
        """Patients whose images go through the workflow: both phases, or a stand-in allowed."""
        return [p for p in self.of(center) if self.is_imaged(p)]

    def is_imaged(self, patient):
        return not self.why_not_imaged(patient)

    def why_not_imaged(self, patient):
        """The reason that stands in every table of a patient whose images can't be used."""
        center = self.center_of(patient)
        absent = [phase for phase in PHASES if phase not in self.phases(patient)]
        if absent and not (len(absent) == 1 and self.substitutes(center)):
            return reasons.sentence(
                "both_phases_missing" if len(absent) == 2 else f"{absent[0]}_missing"
            )
        if self.source("organs", center) == "given" and not self.rows[patient]["organs"]:
            return reasons.sentence("no_organ_mask")
        return ""

    def reasons(self, patients):
        """{patient: reason} of those that no image-based method can score, as the sheet tells."""
        return {
            p: self.why_not_imaged(p)
            for p in patients
            if not self.is_imaged(p) and self.center_of(p) not in self.returned
        }

    def substitutes(self, center):
        """Whether a center's patients with one phase go on with that phase twice."""
        return self.centers[center].get("substitute_phase", self.config["substitute_phase"])

    def annotated(self, role, center, organ_set=None):
        """Imaged patients of a center that have a given mask, optionally of one organ set."""
        return [
            p
            for p in self.imaged(center)
            if self.rows[p][role] and organ_set in (None, self.rows[p]["organ_set"])
        ]

    def teachers(self, role):
        """Auxiliary patients with a given mask: first networks learn from them."""
        return [p for center in self.auxiliary for p in self.annotated(role, center)]

    @cached_property
    def organ_students(self):
        """Discovery patients whose organs train or choose the student network."""
        return [
            p
            for organ_set in ("train", "validation")
            for p in self.annotated("organs", self.discovery, organ_set)
        ]

    @property
    def organs_tested(self):
        """Discovery patients whose drawn organs test the networks; nobody where they are given."""
        if self.source("organs", self.discovery) == "given":
            return []
        return self.annotated("organs", self.discovery, "test")

    @property
    def tumors_tested(self):
        """Likewise for the tumor; a mask compared with itself would be perfect."""
        if self.source("tumor", self.discovery) == "given":
            return []
        return self.annotated("tumor", self.discovery)

    @cached_property
    def tumor_students(self):
        """Discovery patients without a drawn tumor: the venous network learns from their pseudo masks."""
        drawn = set(self.annotated("tumor", self.discovery))
        return [p for p in self.imaged(self.discovery) if p not in drawn]

    @property
    def teaching(self):
        """A pattern of the patients from whom the organ networks learn; it fits nobody if none."""
        found = [*self.teachers("organs"), *self.organ_students]
        return "|".join(map(re.escape, found)) or "(?!)"

    def mask_phase(self, patient, role):
        """The phase on which a given mask of the patient was drawn."""
        return cohort_centers.mask_phase(self.centers[self.center_of(patient)], role)

    def label_system(self, patient, role):
        """How the ids in a center's masks translate into ours; None where they are ours."""
        return cohort_centers.label_system(self.centers[self.center_of(patient)], role)

    def series(self, patient, phase):
        """Which series of a DICOM folder to take; empty where there is only one."""
        return sheet.series_of(self.rows[patient], phase)

    def hu_offset(self, patient):
        return self.centers[self.center_of(patient)].get("hu_offset", 0)

    def metastasis(self, patients):
        """{patient: 0 or 1} of those whose status is known."""
        return {p: int(self.rows[p]["metastasis"]) for p in patients if self.rows[p]["metastasis"]}

    def clinical(self, patients):
        """{patient: {column: text}}: no more of the sheet than a method may see."""
        return {p: {c: self.rows[p][c] for c in CLINICAL} for p in patients}

    def chunk_of(self, patient):
        n = self.centers[self.center_of(patient)].get("chunks", self.config["chunks"])
        return cohort_folds.chunk_of(patient, n)

    def in_chunk(self, center, chunk):
        return [p for p in self.imaged(center) if self.chunk_of(p) == int(chunk)]


def _rows_of(returned):
    """Rows as the sample sheet has them, of the patients that files from elsewhere tell of."""
    empty = dict.fromkeys(sheet.COLUMNS, "")
    return [
        {**empty, "patient": patient, "center": center, "metastasis": status}
        for center, file in returned.items()
        for patient, status in file.metastasis.items()
    ]
