"""Folds of the cross-validation: training, validation and test patients, and who is scored."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nodestage.cohort import folds as cohort_folds
from nodestage.core import seeds
from nodestage.study.centers import Centers
from nodestage.study.masks import Masks
from nodestage.study.roster import Roster

CANDIDATE_PARTS = 5


@dataclass(frozen=True)
class Folds:
    """The folds of the discovery center, and the patients that each trains on, measures and scores.

    Attributes
    ----------
    settings : the section `folds` of the config
    seed : the study's seed
    patients, centers, masks : of the study
    """

    settings: dict[str, Any]
    seed: int
    patients: Roster
    centers: Centers
    masks: Masks

    @cached_property
    def tables(self) -> dict[int, dict[str, str]]:
        """{fold: {patient: subset}} over the discovery patients whose status is known.

        The folds of a bundle are empty: none of its patients is here.
        """
        if self.centers.bundle_scores:
            return {fold: {} for fold in range(self.settings["n"])}
        known = self.patients.metastasis(self.patients.of(self.centers.discovery))
        rows = [self.patients.rows[patient] for patient in known]
        if self.settings["folder"]:
            tables = cohort_folds.read_folds(self.settings["folder"], rows)
        else:
            tables = cohort_folds.make_folds(rows, self.settings["n"], self.seed)
        return {fold: dict(sorted(table.items())) for fold, table in enumerate(tables)}

    @property
    def numbers(self) -> list[int]:
        """Numbers of the folds."""
        return list(self.tables)

    def __iter__(self) -> Iterator[int]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)

    def table(self, fold: int | str) -> dict[str, str]:
        """{patient: train, validation or test} of one fold."""
        return self.tables[int(fold)]

    def subset(self, fold: int | str, *subsets: str) -> list[str]:
        """Patients of a fold in any of the subsets (train, validation, test)."""
        return [p for p, subset in self.table(fold).items() if subset in subsets]

    def inner(self, fold: int | str) -> list[list[str]]:
        """Training patients in disjoint parts; a part is measured by networks trained on the others."""
        train, parts = self.subset(fold, "train"), self.settings["inner"]
        if not parts or self.centers.bundle_scores:
            return []
        return cohort_folds.inner_folds(
            train, self.patients.metastasis(train), parts, [self.seed, int(fold)]
        )

    def candidate_parts(self, fold: int | str) -> list[list[str]]:
        """Training patients in parts; forests trained on the others classify a part's candidates."""
        if self.centers.bundle_scores:
            return []
        train = self.subset(fold, "train")
        labels = self.patients.metastasis(train)
        fewest = min(list(labels.values()).count(label) for label in (0, 1))
        parts, key = min(CANDIDATE_PARTS, fewest), [self.seed, int(fold), "candidates"]
        return cohort_folds.inner_folds(train, labels, parts, key)

    def perturbed(self, fold: int | str, count: int) -> list[str]:
        """Imaged training patients in whom a fold measures how robust radiomics features are.

        All folds draw them in one order, so that most serve several folds: their features are computed
        once for every change.
        """
        train = [p for p in self.subset(fold, "train") if self.patients.is_imaged(p)]
        return sorted(train, key=lambda p: seeds.derived(self.seed, "robustness", p))[:count]

    def with_nodes(self, fold: int | str, *subsets: str) -> list[str]:
        """Imaged patients of the subsets whose lymph nodes were drawn."""
        return [p for p in self.subset(fold, *subsets) if p in self._with_drawn_nodes]

    @cached_property
    def _with_drawn_nodes(self) -> set[str]:
        return set(self.masks.drawn("lymph_nodes", self.centers.discovery))

    def node_networks(self, fold: int | str) -> list[str]:
        """Training and validation patients with drawn nodes, for a fold's lymph-node networks."""
        return self.with_nodes(fold, "train", "validation")

    def tested_in(self, patient: str) -> str:
        """The first fold that tests a patient, "fold0", or "none"."""
        fold = self._tested_in.get(patient)
        return "none" if fold is None else f"fold{fold}"

    def tested_together(self, part: str, chunk: int | str) -> list[str]:
        """A chunk's patients with drawn nodes and the same `tested_in`."""
        return self._tested_together.get((part, int(chunk)), [])

    @cached_property
    def _tested_together(self) -> dict[tuple[str, int], list[str]]:
        together: dict[tuple[str, int], list[str]] = {}
        for patient in sorted(self._with_drawn_nodes):
            key = (self.tested_in(patient), self.patients.chunk_of(patient))
            together.setdefault(key, []).append(patient)
        return together

    def measured(self, fold: int | str, center: str, chunk: int | str) -> dict[str, str]:
        """{patient: subset} of a chunk's patients whose lymph nodes a fold's networks measure."""
        patients = self.patients.in_chunk(center, chunk)
        if self.centers.role(center) == "external":
            return dict.fromkeys(patients, "external")
        table = self.table(fold)
        return {p: table[p] for p in patients if p in table}

    def scored(self, fold: int | str, center: str) -> dict[str, str]:
        """{patient: subset} of all patients that a fold scores, with images or without."""
        if self.centers.role(center) == "external":
            return dict.fromkeys(self.patients.of(center), "external")
        return {p: subset for p, subset in self.table(fold).items() if subset != "train"}

    # Which fold a page shows of a patient

    def fold_of(self, patient: str) -> int:
        """The fold that tests a patient, else the first."""
        return self._tested_in.get(patient, 0)

    @cached_property
    def _tested_in(self) -> dict[str, int]:
        """{patient: the first fold that tests it}."""
        tested: dict[str, int] = {}
        for fold, table in self.tables.items():
            for patient, subset in table.items():
                if subset == "test":
                    tested.setdefault(patient, fold)
        return tested

    def explained(self, center: str) -> dict[str, int]:
        """{patient: fold} of a center's imaged test and external patients: their score is explained."""
        folds = {p: self.fold_of(p) for p in self.patients.imaged(center)}
        if self.centers.role(center) == "external":
            return folds
        return {p: fold for p, fold in folds.items() if p in self._tested_in}

    def undrawn(self, center: str) -> dict[str, list[str]]:
        """{patient: folds that may score it} of a center's imaged patients without drawn lymph nodes.

        All folds score an external patient; one of the discovery center only the fold that tests it.
        """
        if center in self.centers.returned:
            return {}
        drawn = set(self.masks.drawn("lymph_nodes", center))
        patients = [p for p in self.patients.imaged(center) if p not in drawn]
        if self.centers.role(center) == "external":
            return {p: [f"fold{fold}" for fold in self] for p in patients}
        tested = self._tested_in
        return {p: [f"fold{tested[p]}"] for p in patients if p in tested}

    def explaining(self, center: str) -> list[int]:
        """The folds of `explained`, each once."""
        return sorted(set(self.explained(center).values()))

    def showing(self, patient: str) -> list[int]:
        """The folds that a patient's score comes from: all of an external patient, else the one that tests it.

        None of a patient whom no fold tests.
        """
        if self.centers.role(self.patients.center_of(patient)) == "external":
            return self.numbers
        return [self._tested_in[patient]] if patient in self._tested_in else []

    @cached_property
    def pictured(self) -> tuple[int, list[str]]:
        """(fold, its test patients) that the study's figures may show.

        Those of the first fold with drawn lymph nodes, else with images.
        """
        drawn = {fold: self.with_nodes(fold, "test") for fold in self}
        imaged = {
            fold: list(filter(self.patients.is_imaged, self.subset(fold, "test"))) for fold in self
        }
        for by_fold in (drawn, imaged):
            for fold, patients in by_fold.items():
                if patients:
                    return fold, patients
        return 0, []

    # Prediction tables

    def parts(self, center: str) -> list[str]:
        """The prediction tables of each method in a center: `fold0`, …, and `ensemble`."""
        if center in self.centers.returned:
            return [] if center in self.centers.summarised else ["ensemble"]
        folds = [f"fold{fold}" for fold in self]
        return [*folds, "ensemble"] if self.centers.role(center) == "external" else folds

    def of_parts(self, center: str) -> dict[str, list[str]]:
        """{part: its patients}: who has a row in each table of `parts`."""
        return {
            part: self.patients.of(center)
            if part == "ensemble"
            else list(self.scored(part.removeprefix("fold"), center))
            for part in self.parts(center)
        }

    def headline_parts(self, center: str) -> list[str]:
        """Those whose calls a center's page shows: the ensemble's if it is external."""
        external = self.centers.role(center) == "external"
        return [part for part in self.parts(center) if (part == "ensemble") == external]
