"""One study as its config and sample sheet describe it; read once, when the workflow is parsed.

Everything here is a pure function of the config and the sheet: nothing is
written, no image is opened. Rules ask it who belongs where.

- `study.roster`    centers, patients, what is given of whom
- `study.folds`     who belongs where in a fold
- `study.methods`   methods, and the settings that a kind of job feels
- `study.told`      what tables, reports and the bundle are told
"""

from nodestage.cohort.sheet import read_sheet
from nodestage.cohort.sheet_check import check_sheet
from nodestage.core import configs
from nodestage.core.errors import InputError
from nodestage.exchange.returned import reading
from nodestage.study.roster import SOURCES
from nodestage.study.told import Told


class Study(Told):
    """Who takes part in which role, in which fold, with which settings; see `Roster`."""

    @classmethod
    def from_config(cls, config, anatomy, frozen=None, files=True):
        """Read and check the sheet that the config names, or draw the simulated one.

        With `files`, whether all that the sheet names is there.
        The config itself was checked before: `nodestage.study.settings.check`.
        """
        text = configs.load(anatomy)
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
            check_sheet(rows, centers, files=False)
        else:
            centers = config["centers"]
            rows = read_sheet(config["samples"])
            check_sheet(rows, centers, frozen=frozen is not None, files=files)
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
            study.check_bundle()
        return study

    def check_bundle(self):
        """Raise `InputError` where a center wants masks predicted that the bundle has no network for."""
        self.frozen.check_sources(
            {c: {w: self.source(w, c) for w in SOURCES} for c in self.config["centers"]}
        )
