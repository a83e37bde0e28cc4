"""A study: its config and sample sheet, read once, as a record with a part for each topic."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodestage.cohort.clinical import own_columns
from nodestage.cohort.sheet import read_sheet
from nodestage.cohort.sheet_check import check_sheet
from nodestage.core.errors import InputError
from nodestage.exchange.bundle import Frozen
from nodestage.exchange.returned import reading
from nodestage.study import anatomy as anatomies
from nodestage.study import pretraining, teachers
from nodestage.study.centers import SOURCES, Centers
from nodestage.study.facts import Facts
from nodestage.study.folds import Folds
from nodestage.study.masks import Masks
from nodestage.study.methods import Methods
from nodestage.study.paths import Paths
from nodestage.study.resources import Resources
from nodestage.study.roster import Roster, rows_of_returned
from nodestage.study.settings import Settings, simulated


@dataclass(frozen=True)
class Study:
    """Centers, patients, folds and settings of a study; see the package.

    Attributes
    ----------
    bundle : the frozen bundle, where it alone scores and nothing is trained
    returned : {center: file} of the centers that were scored elsewhere
    """

    config: dict[str, Any]
    settings: Settings
    centers: Centers
    patients: Roster
    masks: Masks
    folds: Folds
    methods: Methods
    resources: Resources
    paths: Paths
    facts: Facts
    bundle: Frozen | None
    returned: dict[str, reading.Returned]


@dataclass(frozen=True)
class Sheet:
    """The rows of a checked sample sheet, and the centers that the config names for them."""

    rows: list[dict[str, str]]
    centers: dict[str, dict[str, Any]]


def build(
    config: dict[str, Any],
    anatomy: dict[str, Any],
    sheet: Sheet,
    bundle: Frozen | None = None,
    returned: dict[str, reading.Returned] | None = None,
) -> Study:
    """The study of a sheet that was checked before.

    Parameters
    ----------
    config : dict as `config/config.yaml` has it
    anatomy : dict as `config/anatomy.yaml` has it; what it leaves out is that of pancreatic cancer
    sheet : Sheet
    bundle : an opened bundle that scores
    returned : {center: file} of centers that keep their images
    """
    returned, anatomy = returned or {}, anatomies.complete(anatomy)
    if bundle is None:
        config = pretraining.applied(config)
    entries = sheet.centers | {
        center: {"role": "external", **{mask: {"source": file.head[mask]} for mask in SOURCES}}
        for center, file in returned.items()
    }
    rows = sorted([*sheet.rows, *rows_of_returned(returned)], key=lambda row: row["patient"])
    centers = Centers(
        entries,
        config,
        anatomy["labels"],
        bundle is not None,
        tuple(returned),
        tuple(center for center, file in returned.items() if file.summarised),
    )
    settings = Settings(config, anatomy)
    by_code = {row["patient"]: row for row in rows}
    columns = own_columns(anatomy["clinical"])
    by_code = {code: dict.fromkeys(columns, "") | row for code, row in by_code.items()}
    patients = Roster(by_code, centers, tuple(anatomy["phases"]), columns)
    masks = Masks(patients, centers)
    folds = Folds(config["folds"], config["seed"], patients, centers, masks)
    methods = Methods(config["methods"], config["statistics"]["primary"]["method"])
    return Study(
        config=config,
        settings=settings,
        centers=centers,
        patients=patients,
        masks=masks,
        folds=folds,
        methods=methods,
        resources=Resources(config["jobs"]),
        paths=Paths(centers, patients, folds, methods, settings),
        facts=Facts(settings, centers, patients, folds, methods, bundle, returned),
        bundle=bundle,
        returned=returned,
    )


def load(
    config: dict[str, Any],
    anatomy: str | Path,
    bundle: Frozen | None = None,
    files: bool = True,
) -> Study:
    """Read and check the sheet that the config names, or draw the simulated one.

    Parameters
    ----------
    config : the whole config, valid (`nodestage.study.schema.check`)
    anatomy : path of the anatomy file; a bundle brings its own anatomy
    bundle : an opened bundle that scores
    files : whether every file that the sheet names must be there

    Raises
    ------
    InputError that lists the faults of the sheet or of a returned file
    """
    if bundle and config["samples"] is None:
        raise InputError("`bundle` scores patients of yours: name their sheet in `samples`.")
    if bundle:
        structures = anatomies.of_study(config, bundle, check=files)
    else:
        structures = anatomies.read(anatomy, check=files)
    anatomies.check_against_config(structures, config)
    config = anatomies.with_phase_of_masks(structures, config)
    sheet = _sheet(config, structures, bundle is not None, files)
    names = Methods(config["methods"], "").names
    returned = {
        center: reading.read(entry["returned"], center, names)
        for center, entry in sheet.centers.items()
        if entry.get("returned")
    }
    _check_codes(sheet, returned)
    if files and not bundle:
        pretraining.check(config)
        teachers.check(config)
    study = build(config, structures, sheet, bundle, returned)
    check_bundle(study)
    return study


def check_bundle(study: Study) -> None:
    """Raise `InputError` where a center needs predicted masks and the bundle has no network for them."""
    if study.bundle:
        centers = study.config["centers"]
        study.bundle.check_sources(
            {c: {mask: study.centers.source(mask, c) for mask in SOURCES} for c in centers}
        )


def _sheet(
    config: dict[str, Any], anatomy: dict[str, Any], bundle_scores: bool, files: bool
) -> Sheet:
    clinical = anatomy["clinical"]
    if config["samples"] is not None:
        rows = read_sheet(config["samples"], own_columns(clinical))
        check_sheet(rows, config["centers"], frozen=bundle_scores, files=files, clinical=clinical)
        return Sheet(rows, config["centers"])
    from nodestage import simulator

    centers = config["simulator"]["centers"]
    rows = simulator.sheet(simulated(config, anatomy), config["seed"])
    check_sheet(rows, centers, files=False, clinical=clinical)
    return Sheet(rows, centers)


def _check_codes(sheet: Sheet, returned: dict[str, reading.Returned]) -> None:
    """Raise `InputError` where a patient of the sheet has a code made up for a returned patient."""
    made = {code.lower() for file in returned.values() for code in file.metastasis}
    twice = sorted(made & {row["patient"].lower() for row in sheet.rows})
    if twice:
        raise InputError(
            f"patient {twice[0]} of the sample sheet has the code that returned patients of "
            f"{', '.join(returned)} get. Rename that center in `centers`."
        )
