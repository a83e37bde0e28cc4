"""Who belongs where in a fold: who is learned from, who is measured, who is scored."""

from functools import cached_property

from nodestage.cohort import folds as cohort_folds
from nodestage.study.roster import Roster

CANDIDATE_PARTS = 5


class Folds(Roster):
    """The folds of the discovery center, and what each of them does with whom."""

    @cached_property
    def folds(self):
        """{fold: {patient: subset}} over the discovery patients whose status is known.

        Of a bundle's folds nobody here is part.
        """
        if self.frozen:
            return {k: {} for k in range(self.config["folds"]["n"])}
        rows = [self.rows[p] for p in self.metastasis(self.of(self.discovery))]
        settings = self.config["folds"]
        if settings["folder"]:
            tables = cohort_folds.read_folds(settings["folder"], rows)
        else:
            tables = cohort_folds.make_folds(rows, settings["n"], self.config["seed"])
        return {k: dict(sorted(table.items())) for k, table in enumerate(tables)}

    def fold(self, fold):
        return self.folds[int(fold)]

    def subset(self, fold, *subsets):
        """Patients of a fold in any of the subsets (train, validation, test)."""
        return [p for p, subset in self.fold(fold).items() if subset in subsets]

    def inner(self, fold):
        """Training patients in disjoint parts; each part is measured by networks that never saw it."""
        n = self.config["folds"]["inner"]
        train = self.subset(fold, "train")
        if not n or self.frozen:
            return []
        return cohort_folds.inner_folds(
            train, self.metastasis(train), n, [self.config["seed"], int(fold)]
        )

    def candidate_parts(self, fold):
        """Training patients in parts whose candidates are classified by forests without them."""
        if self.frozen:
            return []
        train = self.subset(fold, "train")
        labels = self.metastasis(train)
        fewest = min(list(labels.values()).count(label) for label in (0, 1))
        n = min(CANDIDATE_PARTS, fewest)
        return cohort_folds.inner_folds(
            train, labels, n, [self.config["seed"], int(fold), "candidates"]
        )

    def learned_from(self, fold):
        """Imaged patients of T and V whose lymph nodes were annotated."""
        annotated = set(self.annotated("lymph_nodes", self.discovery))
        return [p for p in self.subset(fold, "train", "validation") if p in annotated]

    def node_trainers(self, fold):
        """Those of T alone: what ranges may be estimated from."""
        return [p for p in self.learned_from(fold) if self.fold(fold)[p] == "train"]

    def tested(self, fold):
        """Imaged patients of S whose lymph nodes were annotated."""
        annotated = set(self.annotated("lymph_nodes", self.discovery))
        return [p for p in self.subset(fold, "test") if p in annotated]

    @cached_property
    def pictured(self):
        """(fold, its test patients) of whom the study's pictures may show some.

        Those of the first fold with annotated lymph nodes, else with images.
        """
        imaged = {
            fold: list(filter(self.is_imaged, self.subset(fold, "test"))) for fold in self.folds
        }
        annotated = {fold: self.tested(fold) for fold in self.folds}
        for found in (annotated, imaged):
            for fold, patients in found.items():
                if patients:
                    return fold, patients
        return 0, []

    def fold_of(self, patient):
        """The fold whose models speak for a patient: the one that tests it, else the first."""
        for fold, table in self.folds.items():
            if table.get(patient) == "test":
                return fold
        return 0

    def spoken_for(self, center):
        """{patient: fold} of a center's imaged patients that are tested: whose score is explained."""
        found = {p: self.fold_of(p) for p in self.imaged(center)}
        tested = ("test", "external")
        return {p: k for p, k in found.items() if self.scored(k, center).get(p) in tested}

    def speaking(self, center):
        """The folds of `spoken_for`, each once."""
        return sorted(set(self.spoken_for(center).values()))

    def measured(self, fold, center, chunk):
        """{patient: subset} of a chunk's patients whose lymph nodes a fold's networks measure."""
        patients = self.in_chunk(center, chunk)
        if self.role(center) == "external":
            return dict.fromkeys(patients, "external")
        return {p: self.fold(fold)[p] for p in patients if p in self.fold(fold)}

    def scored(self, fold, center):
        """{patient: subset} of all patients that a fold scores, with images or without."""
        if self.role(center) == "external":
            return dict.fromkeys(self.of(center), "external")
        return {p: s for p, s in self.fold(fold).items() if s != "train"}

    def parts(self, center):
        """The prediction tables that a center has of each method: of each fold, of the ensemble."""
        if center in self.returned:
            return [] if center in self.summarised else ["ensemble"]
        folds = [f"fold{fold}" for fold in self.folds]
        return [*folds, "ensemble"] if self.role(center) == "external" else folds

    def judged(self, center):
        """Those by which a page judges the center: the ensemble's if it is external."""
        external = self.role(center) == "external"
        return [part for part in self.parts(center) if (part == "ensemble") == external]
