"""What tables, reports, the bundle and a file for sending back are told of the study."""

import hashlib
import json
from functools import cached_property

from nodestage.study import sizes
from nodestage.study.folds import Folds
from nodestage.study.methods import Methods
from nodestage.study.roster import PHASES, SOURCES

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


class Told(Folds, Methods):
    """No paths, no more of the sheet than the reader may see."""

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
            "sizes": sizes.told(config, self.method_settings),
            "smaller": sizes.smaller(config, self.method_settings),
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

    def image_facts(self, center):
        """What the page about a center's images says of the run."""
        given = self.role(center) == "auxiliary" or self.source("organs", center) == "given"
        return {
            "study": self.config["title"],
            "simulated": self.simulated,
            "effects": self.config["simulator"]["note"] if self.simulated else "",
            "role": self.role(center),
            "organs": "given organ masks" if given else "predicted organ labels",
            "organs_given": given,
            "reasons": self.reasons(self.of(center)),
        }

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


def _without_path(settings):
    """A method's entry as the bundle tells it: what file the weights came from is the house's own."""
    given = (settings.get("settings") or {}).get("pretrained")
    if not isinstance(given, dict):
        return settings
    return settings | {"settings": settings["settings"] | {"pretrained": {**given, "path": ""}}}
