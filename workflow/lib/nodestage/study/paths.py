"""Where the workflow's files lie, relative to the study's folder.

Names of helpers show what they return: one path is a `str`, several are a list, named inputs
are a dict for `unpack`. A mask that a hospital gave is one file per patient; predicted
masks come as the folder of a chunk, which holds a file per patient. `masks` keeps the two apart by
the input's name, and a script gets each patient's file from `core.files.masks`.
"""

from collections.abc import Collection
from dataclasses import dataclass

from nodestage.core.names import PHASES
from nodestage.study import teachers
from nodestage.study.centers import Centers
from nodestage.study.folds import Folds
from nodestage.study.methods import Methods
from nodestage.study.roster import Roster
from nodestage.study.settings import Settings


@dataclass(frozen=True)
class Paths:
    """Paths of a study's results."""

    centers: Centers
    patients: Roster
    folds: Folds
    methods: Methods
    settings: Settings

    # Images on the study grid

    def image(self, patient: str, phase: str) -> str:
        """A CT on the study grid."""
        return f"results/registration/{patient}/{phase}.nii.gz"

    def images(self, patients: Collection[str]) -> dict[str, list[str]]:
        """Both phases of some patients: inputs `arterial` and `venous`, in the patients' order."""
        return {phase: [self.image(p, phase) for p in patients] for phase in PHASES}

    def intake_records(self, center: str) -> list[str]:
        """Records of what was read of each image of a center."""
        return [
            f"results/cohort/{patient}/{phase}.json"
            for patient in self.patients.of(center)
            for phase in self.patients.phases(patient)
        ]

    def registration_records(self, patients: Collection[str]) -> list[str]:
        """One record of the registration per patient."""
        return [f"results/registration/{patient}/record.json" for patient in patients]

    def median_spacing(self, patient: str) -> list[str]:
        """The file with the study spacing; none where the config gives it in numbers."""
        if not self.settings.median_spacing:
            return []
        center = self.patients.center_of(patient)
        return [self.learned(center, "cohort/spacing.json", "spacing.json")]

    # Masks

    def drawn(self, role: str, patient: str) -> str:
        """A drawn mask on the study grid; role: organs, tumor or lymph_nodes."""
        return f"results/registration/{patient}/{role}.nii.gz"

    def chunk(self, patient: str) -> str:
        """Name of the patient's chunk under the folder of a stage that predicts."""
        return f"{self.patients.center_of(patient)}/chunk{self.patients.chunk_of(patient)}"

    def masks(self, role: str, patients: Collection[str]) -> dict[str, list[str]]:
        """The organ labels or tumor masks that later stages use, for patients of one center.

        Returns
        -------
        {"<role>_files": one per patient} where the center's masks are given, else
        {"<role>_chunks": a folder per patient}; the other is empty
        """
        files = [self.drawn(role, p) for p in patients if self._is_given(role, p)]
        chunks = [
            f"results/{role}/{self.chunk(p)}" for p in patients if not self._is_given(role, p)
        ]
        if files and chunks:
            raise ValueError(f"{role} masks of centers whose source differs in one job")
        return {f"{role}_files": files, f"{role}_chunks": chunks}

    def _is_given(self, role: str, patient: str) -> bool:
        """Whether a drawn mask is used: in an auxiliary center there is no other."""
        center = self.patients.center_of(patient)
        return (
            self.centers.role(center) == "auxiliary" or self.centers.source(role, center) == "given"
        )

    def mask_records(self, drawn: Collection[tuple[str, str]]) -> list[str]:
        """What intake changed of some drawn masks, each (patient, role)."""
        return [f"results/registration/{patient}/{role}.json" for patient, role in drawn]

    def drawn_nodes(self, center: str | None) -> list[str]:
        """The summary of the drawn nodes: of the discovery center, where models are trained."""
        if self.centers.discovery is None or center != self.centers.discovery:
            return []
        return ["results/registration/drawn_nodes.json"]

    # Attention

    def attention(self, patient: str, fold: int | str) -> str:
        """The attention map; one per fold where ranges are estimated from its training patients."""
        return self.attention_by(self._ranges(fold), patient)

    def attention_by(self, ranges: str, patient: str) -> str:
        """The attention map by the ranges that `ranges` gives for a fold."""
        return f"results/attention/{ranges}/{patient}.nii.gz"

    def prepared(self, patient: str, fold: int | str) -> str:
        """The folder that holds an annotated patient as the lymph-node networks read patients.

        One per chunk of the patients tested by the same fold, so that a fold does not wait for those it tests.
        """
        part, chunk = self.folds.tested_in(patient), self.patients.chunk_of(patient)
        return f"results/lymph_nodes/prepared/{self._ranges(fold)}/{part}/chunk{chunk}"

    def _ranges(self, fold: int | str) -> str:
        """The folder of a fold's ranges of distances: the fold's where it estimates them, else `table`."""
        return f"fold{fold}" if self.settings.estimates_ranges else "table"

    def estimated_ranges(self, patient: str, fold: int | str) -> str:
        """The ranges that a fold's training patients show."""
        center = self.patients.center_of(patient)
        return self.learned(center, f"attention/ranges/fold{fold}.json", f"fold{fold}/ranges.json")

    # Models

    def learned(self, center: str, trained: str, frozen: str) -> str:
        """A file that discovery patients trained: of its stage, or its copy in the bundle.

        External centers read the bundle, as another hospital does: their scores depend on nothing else
        of the discovery center.
        """
        if self.centers.role(center) == "external":
            return f"results/bundle/{frozen}"
        return f"results/{trained}"

    def model(self, part: str, center: str, fold: int | str | None = None) -> str:
        """The weights that score a center; part: a stage or a family of methods."""
        folder = "" if fold is None else f"fold{fold}/"
        return self.learned(center, f"{part}/{folder}model.pt", f"{folder}{part}.pt")

    def trained(self) -> list[str]:
        """Files of all networks and methods that the study trains; none where a bundle scores."""
        discovery = self.centers.discovery
        if discovery is None:
            return []
        config = self.settings.config
        first: dict[str, tuple[str, ...]] = {
            mask: (name,) if teachers.is_trained_here(config, mask) else ()
            for mask, name in (("organs", "teacher"), ("tumor", "arterial"))
        }
        if config.get("tumor", {}).get("finetune"):
            first["tumor"] += ("finetuned",)
        shared = {mask: (*names, "model") for mask, names in first.items()}
        return [
            f"results/{part}/{name}.pt"
            for part, names in shared.items()
            if self.centers.source(part, discovery) == "predicted"
            for name in names
        ] + [
            self.model(part, discovery, fold)
            for part in ("lymph_nodes", "identification", *self.methods.families)
            for fold in self.folds
        ]

    def thresholds(self, fold: int | str) -> str:
        """The frozen thresholds and calibrations of a fold."""
        return f"results/bundle/fold{fold}/thresholds.json"

    def image_statistics(self, patients: Collection[str]) -> list[str]:
        """Tables of numbers on the examinations of some patients, each table once."""
        return sorted({f"results/reference/{self.chunk(patient)}.tsv" for patient in patients})

    # Lymph nodes

    def nodes(self, patient: str, fold: int | str) -> str:
        """The folder with a patient's lymph nodes as one fold's networks segment them."""
        return f"results/lymph_nodes/fold{fold}/{self.chunk(patient)}"

    def instances(self, patient: str, fold: int | str) -> str:
        """The table with a patient's identified lymph nodes, with all columns that the study makes."""
        stage = "candidates" if self.settings.candidates else "identification"
        return f"results/{stage}/fold{fold}/{self.chunk(patient)}.tsv"

    def instance_tables(self, patients: Collection[str], fold: int | str) -> list[str]:
        """Those of some patients, each once."""
        return sorted({self.instances(patient, fold) for patient in patients})

    def undrawn_instances(self, center: str) -> list[str]:
        """The tables of instances of a center's patients without drawn nodes, of the folds that score them."""
        undrawn = self.folds.undrawn(center)
        return [
            path
            for fold in self.folds
            for path in self.instance_tables(
                [p for p, folds in undrawn.items() if f"fold{fold}" in folds], fold
            )
        ]

    # Methods

    def method_inputs(
        self, family: str, fold: int | str, patients: Collection[str]
    ) -> dict[str, list[str]]:
        """What the methods of a family read, of the patients with images.

        Views and radiomics say why a patient has none; lymph nodes don't, so they come with the
        records of the registration.
        """
        needs = self.methods.needs(family)
        imaged = [p for p in patients if self.patients.is_imaged(p)]
        inputs = {"records": self.registration_records(imaged)} if "nodes" in needs else {}
        if "views" in needs:
            inputs["views"] = [self.views(p) for p in imaged]
        if "radiomics" in needs:
            inputs["radiomics"] = [f"results/baselines/radiomics/{p}.tsv" for p in imaged]
        if "nodes" in needs:
            inputs["nodes"] = self.instance_tables(imaged, fold)
        if "scores" in needs:
            centers = sorted({self.patients.center_of(patient) for patient in patients})
            inputs["scores"] = [
                f"results/{other}/fold{fold}/scores/{center}.tsv"
                for other in self.methods.read_families(family)
                for center in centers
            ]
        return inputs

    def stage_scores(self, center: str) -> list[str]:
        """Scores with pN of each method that predicts it, fold by fold; none of a center that keeps its images."""
        if center in self.centers.returned:
            return []
        return [
            f"results/{family}/fold{fold}/scores/{center}.tsv"
            for family in self.methods.families
            if "stages" in self.methods.needs(family)
            for fold in self.folds
        ]

    def node_shares(self, center: str) -> list[str]:
        """Scores with what each node adds, of the folds that explain a center's scores; none without `node_graph`."""
        if "node_graph" not in self.methods.names:
            return []
        return [
            f"results/graph/fold{fold}/scores/{center}.tsv"
            for fold in self.folds.explaining(center)
        ]

    def robustness(self, family: str, fold: int | str) -> list[str]:
        """The table of a fold's robust features; none where they are off or not read."""
        if self.settings.robustness is None or "radiomics" not in self.methods.needs(family):
            return []
        return [f"results/baselines/fold{fold}/robustness.tsv"]

    def robustness_tables(self) -> list[str]:
        """Those of all folds that fit a method to radiomics; none where a bundle scores."""
        if self.centers.discovery is None:
            return []
        tables = {
            path: None
            for fold in self.folds
            for family in self.methods.families
            for path in self.robustness(family, fold)
        }
        return list(tables)

    def perturbed(self, fold: int | str) -> list[str]:
        """Features under small changes, of the training patients in whom a fold measures robustness."""
        wanted = self.settings.robustness
        patients = self.folds.perturbed(fold, wanted["patients"]) if wanted else []
        return [f"results/baselines/perturbed/{patient}.tsv" for patient in patients]

    def views(self, patient: str) -> str:
        """Nine slices and a crop of a patient's tumor."""
        return f"results/tumor/slices/{patient}.npz"

    def predictions(self, center: str) -> list[str]:
        """Every prediction table of a center: method by method, fold by fold."""
        return [
            f"results/predictions/{method}/{part}/{center}.tsv"
            for method in self.methods.names
            for part in self.folds.parts(center)
        ]
