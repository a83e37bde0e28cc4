"""What tables, reports, the bundle and a returned file state about the study.

No paths, and only those columns of the sheet that their readers may see.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypedDict

from nodestage.cohort import readers
from nodestage.exchange.bundle import BUNDLED, Frozen
from nodestage.exchange.returned.reading import Returned
from nodestage.methods.radiomics.common import COUNT
from nodestage.study import pretraining, sizes
from nodestage.study.centers import SOURCES, Centers
from nodestage.study.folds import Folds
from nodestage.study.methods import Methods
from nodestage.study.roster import Roster
from nodestage.study.settings import Settings

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
# Sections on how jobs are run, or on who takes part, and change no result of a patient.
NOT_IN_DIGEST = ("jobs", "samples", "folds", "bundle", "packet")


class RunFacts(TypedDict, total=False):
    """What a report states about the run; of a center's report, the keys from `center` on too."""

    study: str
    simulated: bool
    effects: str
    inner_folds: int
    folds: int
    folds_from: str | None
    seed: int
    config_digest: str
    pretrained: str
    primary: dict[str, Any]
    discovery: str | None
    cancer: str
    phases: tuple[str, ...]
    sizes: dict[str, str]
    smaller: list[str]
    methods: list[str]
    radiomics: dict[str, Any] | None
    discovery_organs_source: str
    discovery_tumor_source: str
    frozen: bool  # only where a bundle scores
    warnings: list[str]
    elsewhere: list[str]
    returned: dict[str, str]  # head of a returned file
    center: str
    role: str
    rows: list[dict[str, str]]
    reasons: dict[str, str]
    organs_source: str
    tumor_source: str


class ImageFacts(TypedDict):
    """What the page about a center's images states about the run."""

    study: str
    simulated: bool
    effects: str
    role: str
    organs: str
    organs_given: bool
    reasons: dict[str, str]
    phases: tuple[str, ...]
    organ: str


@dataclass(frozen=True)
class Facts:
    """Statements about a study, from its parts."""

    settings: Settings
    centers: Centers
    patients: Roster
    folds: Folds
    methods: Methods
    bundle: Frozen | None
    returned: dict[str, Returned]

    def table_rows(self, center: str | None) -> list[dict[str, str]]:
        """Status, clinical columns and readers' columns of a center's patients.

        `missing_phase` names a phase that the sheet lacks, also where the other one replaces it.
        """
        rows, patients = self.patients.rows, self.patients.of(center)
        one_phase = self.settings.one_phase
        if center in self.returned:
            return [{c: rows[p].get(c, "") for c in RETURNED_COLUMNS} for p in patients]
        return [
            {c: rows[p].get(c, "") for c in (*TABLE_COLUMNS, *self.patients.own_columns)}
            | {c.name: rows[p][c.name] for c in readers.columns(rows[p])}
            | {"missing_phase": " ".join(self.patients.missing_phases(p))}
            | ({"one_phase": one_phase} if one_phase else {})
            for p in patients
        ]

    def report(self, center: str | None = None) -> RunFacts:
        """What the report of a center, or of the study, states about the run."""
        config, discovery = self.settings.config, self.centers.discovery
        facts: RunFacts = {
            "study": config["title"],
            "simulated": self.settings.simulated,
            "effects": self._effects,
            "inner_folds": config["folds"]["inner"],
            "folds": len(self.folds),
            "folds_from": self._folds_from,
            "seed": config["seed"],
            "config_digest": self.config_digest,
            "pretrained": self._pretrained(),
            "primary": config["statistics"]["primary"],
            "discovery": discovery,
            "methods": self.methods.names,
            "radiomics": {"features": COUNT, "robustness": self.settings.robustness}
            if any("radiomics" in self.methods.needs(family) for family in self.methods.families)
            else None,
            "discovery_organs_source": self.centers.source("organs", discovery),
            "discovery_tumor_source": self.centers.source("tumor", discovery),
            "cancer": self.settings.anatomy["cancer"],
            "phases": tuple(self.settings.anatomy["phases"]),
            "sizes": sizes.described(config, self.methods.entries),
            "smaller": sizes.smaller(config, self.methods.entries),
        }
        if self.settings.one_phase:
            facts["sizes"]["Registration"] = "None: the study has one phase."
            facts["smaller"] = [s for s in facts["smaller"] if not s.startswith("registration")]
        facts["warnings"] = pretraining.missing(config)
        if self.bundle:
            facts |= {
                "frozen": True,
                "warnings": [*self.bundle.warnings, *self.bundle.added.values()],
            }
        elsewhere = self.returned if center is None else {center: self.returned.get(center)}
        facts["elsewhere"] = [file.words for file in elsewhere.values() if file]
        if center in self.returned:
            facts["returned"] = self.returned[center].head
        if center is not None:
            facts["center"] = center
            facts["role"] = self.centers.role(center)
            facts["rows"] = self.table_rows(center)
            facts["reasons"] = self.patients.reasons(self.patients.of(center))
            facts["organs_source"] = self.centers.source("organs", center)
            facts["tumor_source"] = self.centers.source("tumor", center)
        return facts

    def images(self, center: str) -> ImageFacts:
        """What the page about a center's images states about the run."""
        role = self.centers.role(center)
        drawn = role == "auxiliary" or self.centers.source("organs", center) == "given"
        return {
            "study": self.settings.config["title"],
            "simulated": self.settings.simulated,
            "effects": self._effects,
            "role": role,
            "organs": "given organ masks" if drawn else "predicted organ labels",
            "organs_given": drawn,
            "phases": tuple(self.settings.anatomy["phases"]),
            "organ": self.settings.anatomy["tumor_organ"],
            "reasons": self.patients.reasons(self.patients.of(center)),
        }

    def returned_head(self, center: str) -> dict[str, Any]:
        """What heads a returned file, beside its counts of patients and scores."""
        patients = self.patients.of(center)
        changed = self.bundle.changed if self.bundle else []
        return {
            "changed_code": ", ".join(changed) or "none",
            "status_unknown": len(patients) - len(self.patients.metastasis(patients)),
            **{mask: self.centers.source(mask, center) for mask in SOURCES},
        }

    def bundle_settings(self) -> dict[str, Any]:
        """The settings that scoring a new patient needs, for the bundle's manifest."""
        config = self.settings.config
        kept = {key: config[key] for key in BUNDLED}
        for mask in SOURCES:
            source = self.centers.source(mask, self.centers.discovery)
            kept[mask] = config[mask] | {"source": source}
            kept[mask].pop(
                "teacher_source", None
            )  # a folder of this hospital, not needed for scoring
        kept["methods"] = {
            method: self._bundled_method(method)
            for method, entry in config["methods"].items()
            if entry is not None
        }
        kept["folds"] = {"n": len(self.folds), "inner": config["folds"]["inner"]}
        simulated = self.settings.simulated
        return kept | {"anatomy": self.settings.anatomy, "simulated": simulated}

    def _bundled_method(self, name: str) -> dict[str, Any]:
        """A method's entry with what its class declares, and without paths of this hospital."""
        entry, method = self.settings.config["methods"][name], self.methods.declared[name]
        if "file" in entry:
            return _without_path(entry) | {"file": f"methods/{name}.py"}
        declared = {"family": method.family, "needs": list(method.needs)}
        return declared | _without_path(entry)

    @cached_property
    def config_digest(self) -> str:
        """Digest of all settings that can change a result; how jobs are run is left out."""
        config = self.settings.config
        kept = {k: v for k, v in config.items() if k not in NOT_IN_DIGEST}
        # The content of the file counts, not its path.
        if kept.pop("anatomy", None):
            kept["anatomy"] = self.settings.anatomy
        kept["centers"] = {
            center: {k: v for k, v in entry.items() if k != "returned"}
            for center, entry in kept["centers"].items()
        }
        kept["folds"] = {"inner": config["folds"]["inner"], "tables": self.folds.tables}
        text = json.dumps(kept, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def _effects(self) -> str:
        """The note on simulated effects on every page."""
        return self.settings.config["simulator"]["note"] if self.settings.simulated else ""

    @property
    def _folds_from(self) -> str | None:
        """How the folds were made: `given` or `stratified`; None for a bundle's."""
        if self.bundle:
            return None
        return "given" if self.settings.config["folds"]["folder"] else "stratified"

    @property
    def weights(self) -> dict[str, str]:
        """{method: SHA-256 of the weights that its networks start from}, of those that have any."""
        settings = {m: entry.get("settings") or {} for m, entry in self.methods.entries.items()}
        return {
            method: str(of_method["pretrained"].get("sha256"))
            for method, of_method in settings.items()
            if pretraining.is_pretrained(of_method)
        }

    def _pretrained(self) -> str:
        """Which methods start from a file of weights, and its digest: never its path."""
        digests: dict[str, list[str]] = {}
        for method, digest in self.weights.items():
            digests.setdefault(digest[:12], []).append(method)
        if not digests:
            return "none, trained from scratch"
        named = (f"{', '.join(m)}: sha256 {digest}" for digest, m in sorted(digests.items()))
        return "; ".join(named) + "; the others from scratch"


def _without_path(entry: dict[str, Any]) -> dict[str, Any]:
    """A method's entry without the path of its pretrained weights, which belongs to this hospital."""
    weights = (entry.get("settings") or {}).get("pretrained")
    if not isinstance(weights, dict):
        return entry
    return entry | {"settings": entry["settings"] | {"pretrained": {**weights, "path": ""}}}
