"""One study as its config and sample sheet describe it; read once, when the workflow is parsed.

Everything here is a pure function of the config and the sheet: nothing is
written, no image is opened. Rules ask it who belongs where.
"""

import hashlib
import json
import re
from functools import cached_property
from pathlib import Path

import yaml

from nodestage.clinical import CLINICAL
from nodestage.cohort import folds as cohort_folds
from nodestage.cohort import sheet as cohort_sheet
from nodestage.errors import InputError
from nodestage.returned import reading

PHASES = ("arterial", "venous")
SOURCES = ("organs", "tumor")
SCORING = ("threshold", "min_volume_mm3", "windows", "least_share", "step_size", "mirror")
# Networks over slices, whose score the gallery can explain.
EXPLAINED = ("combined", "tumor_net", "resnet2d", "deepten")
TABLE_COLUMNS = (
    "patient",
    "metastasis",
    "ct_reported",
    "sex",
    "age",
    "pt_stage",
    "pn_stage",
    "tumor_size_cm",
    "tumor_location",
)
# What is known of a patient who was scored at a hospital that keeps its images.
RETURNED_COLUMNS = ("patient", "metastasis")


class Study:
    """Who takes part in which role, in which fold, with which settings.

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

    @classmethod
    def from_config(cls, config, anatomy, frozen=None):
        """Read and check the sheet that the config names, or draw the simulated one.

        The config itself was checked before: `nodestage.settings.check`.
        """
        text = yaml.safe_load(Path(anatomy).read_text(encoding="utf-8"))
        if frozen:
            text = frozen.anatomy
            if config["samples"] is None:
                raise InputError(
                    "`bundle` scores patients of yours: name their sheet in `samples`."
                )
        if config["samples"] is None:
            from nodestage import simulator

            centers = config["simulator"]["centers"]
            rows = simulator.sheet(config["simulator"], config["seed"])
            cohort_sheet.check_sheet(rows, centers, files=False)
        else:
            centers = config["centers"]
            rows = cohort_sheet.read_sheet(config["samples"])
            cohort_sheet.check_sheet(rows, centers, frozen=frozen is not None)
        study = cls(config, text, rows, centers, frozen)
        given = {c: s["returned"] for c, s in centers.items() if s.get("returned")}
        if given:
            found = {c: reading.read(path, c, study.methods) for c, path in given.items()}
            study = cls(config, text, rows, centers, frozen, found)
            twice = {p.lower() for f in found.values() for p in f.metastasis} & {
                row["patient"].lower() for row in rows
            }
            if twice:
                raise InputError(
                    f"patient {sorted(twice)[0]} of the sample sheet is called as {', '.join(found)} "
                    "numbers its returned patients. Rename that center."
                )
        if frozen:
            frozen.check_sources({c: {w: study.source(w, c) for w in SOURCES} for c in centers})
        return study

    @property
    def simulated(self):
        return self.config["samples"] is None

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

    def parts(self, center):
        """The prediction tables that a center has of each method: of each fold, of the ensemble."""
        if center in self.returned:
            return [] if center in self.summarised else ["ensemble"]
        folds = [f"fold{fold}" for fold in self.folds]
        return [*folds, "ensemble"] if self.role(center) == "external" else folds

    def _with_role(self, role):
        return sorted(name for name, center in self.centers.items() if center["role"] == role)

    def source(self, what, center):
        """Whether the organs or tumor masks of a center are `predicted` or `given`."""
        return (self.centers.get(center, {}).get(what) or {}).get("source") or self.config[what][
            "source"
        ]

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
            return f"{' and '.join(absent)} phase missing"
        if self.source("organs", center) == "given" and not self.rows[patient]["organs"]:
            return "no organ mask was given"
        return ""

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

    @property
    def teaching(self):
        """A pattern of the patients from whom the organ networks learn; it fits nobody if none."""
        found = [*self.teachers("organs"), *self.organ_students]
        return "|".join(map(re.escape, found)) or "(?!)"

    def mask_phase(self, patient, role):
        """The phase on which a given mask of the patient was drawn."""
        return cohort_sheet.mask_phase(self.centers[self.center_of(patient)], role)

    def label_system(self, patient, role):
        """How the ids in a center's masks translate into ours; None where they are ours."""
        return cohort_sheet.label_system(self.centers[self.center_of(patient)], role)

    def series(self, patient, phase):
        """Which series of a DICOM folder to take; empty where there is only one."""
        return cohort_sheet.series_of(self.rows[patient], phase)

    def hu_offset(self, patient):
        return self.centers[self.center_of(patient)].get("hu_offset", 0)

    def annotated_labels(self, center):
        """Our labels that a center's organ masks hold; all of them unless the config says."""
        names = self.centers.get(center, {}).get("annotated") or list(self.anatomy["labels"])
        return sorted(self.anatomy["labels"][name] for name in names)

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

    # Folds

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
        """(fold, its test patients) of whom the study's pictures may show some: those of the first
        fold with annotated lymph nodes, else with images.
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

    def reasons(self, patients):
        """{patient: reason} of those that no image-based method can score, as the sheet tells."""
        return {
            p: self.why_not_imaged(p)
            for p in patients
            if not self.is_imaged(p) and self.center_of(p) not in self.returned
        }

    @cached_property
    def tumor_students(self):
        """Discovery patients without a drawn tumor: the venous network learns from their pseudo masks."""
        drawn = set(self.annotated("tumor", self.discovery))
        return [p for p in self.imaged(self.discovery) if p not in drawn]

    # Methods

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
        return own or [Path(__file__).parent / family / "family.py"]

    def learning(self, section):
        """The settings of lymph_nodes or identification that training depends on."""
        return {k: v for k, v in self.config[section].items() if k not in SCORING}

    def scoring(self, section):
        """Those that only a prediction depends on: changing them retrains nothing."""
        kept = (*SCORING, "variants")
        return {k: v for k, v in self.config[section].items() if k in kept}

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

    def frozen_settings(self):
        """The settings that scoring a new patient needs, for the bundle's manifest."""
        kept = ("seed", "spacing_mm", "registration", "substitute_phase", "attention")
        kept += ("lymph_nodes", "identification", "statistics")
        found = {key: self.config[key] for key in kept}
        for what in SOURCES:
            found[what] = self.config[what] | {"source": self.source(what, self.discovery)}
        found["methods"] = {
            method: _without_path(settings)
            | ({"file": f"methods/{method}.py"} if "file" in settings else {})
            for method, settings in self.config["methods"].items()
            if settings is not None
        }
        found["folds"] = {"n": len(self.folds), "inner": self.config["folds"]["inner"]}
        return found | {"anatomy": self.anatomy, "simulated": self.simulated}

    @property
    def ranges_from(self):
        return self.config["attention"]["ranges"]

    def ranges(self):
        """Table II as {label: (d_min, d_max)}."""
        labels = self.anatomy["labels"]
        return {labels[name]: tuple(r) for name, r in self.anatomy["ranges_mm"].items()}

    # Tables and reports

    def table_rows(self, center):
        """What the tables know of a center's patients: status and clinical columns, no paths.

        `missing_phase` names a phase that the sheet lacks, also where the other one stands in.
        """
        if center in self.returned:
            return [{c: self.rows[p].get(c, "") for c in RETURNED_COLUMNS} for p in self.of(center)]
        return [
            {c: self.rows[p].get(c, "") for c in TABLE_COLUMNS}
            | {"missing_phase": " ".join(x for x in PHASES if x not in self.phases(p))}
            for p in self.of(center)
        ]

    def facts(self, center=None):
        """What a report says about the run itself."""
        config = self.config
        found = {
            "study": config["title"],
            "simulated": self.simulated,
            "effects": config["simulator"]["note"] if self.simulated else "",
            "inner_folds": config["folds"]["inner"],
            "folds": len(self.folds),
            "folds_from": self._folds_from,
            "seed": config["seed"],
            "config_digest": self.config_digest,
            "pretrained": self._pretrained(),
            "primary": config["statistics"]["primary"],
            "discovery": self.discovery,
        }
        for what in SOURCES:
            found[f"discovery_{what}_source"] = self.source(what, self.discovery)
        if self.frozen:
            found |= {"frozen": True, "warnings": self.frozen.warnings}
        elsewhere = self.returned if center is None else {center: self.returned.get(center)}
        found |= {"elsewhere": [file.words for file in elsewhere.values() if file]}
        if self.returned.get(center):
            found |= {"returned": self.returned[center].head}
        if center is not None:
            found["center"] = center
            found["role"] = self.role(center)
            found["rows"] = self.table_rows(center)
            found["reasons"] = self.reasons(self.of(center))
            for what in SOURCES:
                found[f"{what}_source"] = self.source(what, center)
        return found

    @property
    def _folds_from(self):
        """Who made the folds; a bundle doesn't tell."""
        if self.frozen:
            return None
        return "given" if self.config["folds"]["folder"] else "stratified"

    def told(self, center):
        """What a file for sending back says of a center beyond its patients and scores."""
        of = self.of(center)
        changed = self.frozen.changed if self.frozen else []
        return {
            "changed_code": ", ".join(changed) or "none",
            "status_unknown": len(of) - len(self.metastasis(of)),
            **{what: self.source(what, center) for what in SOURCES},
        }

    def image_facts(self, center):
        """What the page about a center's images says of the run."""
        given = self.role(center) == "auxiliary" or self.source("organs", center) == "given"
        return {
            "study": self.config["title"],
            "simulated": self.simulated,
            "effects": self.config["simulator"]["note"] if self.simulated else "",
            "role": self.role(center),
            "organs": "given organ masks" if given else "predicted organ labels",
            "reasons": self.reasons(self.of(center)),
        }

    def _pretrained(self):
        """Which methods start from a file of weights, and its digest: never its path."""
        digests = {}
        for method, settings in self.method_settings.items():
            given = (settings.get("settings") or {}).get("pretrained")
            if isinstance(given, dict) and given.get("path") not in (None, "", "none"):
                digests.setdefault(str(given.get("sha256"))[:12], []).append(method)
        if not digests:
            return "none, trained from scratch"
        named = (f"{', '.join(m)}: sha256 {digest}" for digest, m in sorted(digests.items()))
        return "; ".join(named) + "; the others from scratch"

    @cached_property
    def config_digest(self):
        """Digest of all settings that can change a result; how jobs are run is left out."""
        left = ("jobs", "samples", "folds", "bundle", "packet")
        kept = {k: v for k, v in self.config.items() if k not in left}
        kept["centers"] = {
            center: {k: v for k, v in settings.items() if k != "returned"}
            for center, settings in kept["centers"].items()
        }
        kept["folds"] = {"inner": self.config["folds"]["inner"], "tables": self.folds}
        text = json.dumps(kept, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _rows_of(returned):
    """Rows as the sample sheet has them, of the patients that files from elsewhere tell of."""
    empty = dict.fromkeys(cohort_sheet.COLUMNS, "")
    return [
        {**empty, "patient": patient, "center": center, "metastasis": status}
        for center, file in returned.items()
        for patient, status in file.metastasis.items()
    ]


def _without_path(settings):
    """A method's entry as the bundle tells it: what file the weights came from is the house's own."""
    given = (settings.get("settings") or {}).get("pretrained")
    if not isinstance(given, dict):
        return settings
    return settings | {"settings": settings["settings"] | {"pretrained": {**given, "path": ""}}}


class _Jobs(dict):
    """Threads, memory and time of each kind of job; `default` stands in for what isn't named."""

    def __getitem__(self, job):
        default = super().__getitem__("default")
        return {**default, **self.get(job, {})}
