"""A study checked before anything is run: config, sheet, returned files, image headers, who learns.

`python -m nodestage.study.check my_study/config.yaml` does it from a terminal,
and shows there what no log may hold: paths, and series descriptions.
"""

import argparse
import sys
from pathlib import Path

import yaml

from nodestage import bundle, settings, study_folder
from nodestage.cohort.check import check_headers
from nodestage.cohort.facts import median_spacing
from nodestage.cohort.faults import millimeters
from nodestage.cohort.sheet import IMAGES, MASKS, read_sheet
from nodestage.cohort.sheet_check import check_sheet
from nodestage.cohort.sheet_files import look_at
from nodestage.errors import InputError
from nodestage.returned import reading
from nodestage.study import Study, lacking, outline

ANATOMY = study_folder.REPOSITORY / "config" / "anatomy.yaml"


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description="Check config and sample sheet, and open every image header."
    )
    parser.add_argument("config", help="the study's YAML file, with `centers` and `samples`")
    parser.add_argument("--sheet", help="another sample sheet (.tsv, .csv or .xlsx)")
    parser.add_argument(
        "--base", help="folder that relative paths start from (default: the config's)"
    )
    parser.add_argument("--preset", help="settings laid under the study's own, as `make run` does")
    parser.add_argument("--jobs", type=int, help="images read at a time")
    given = parser.parse_args(arguments)
    base = Path(given.base or Path(given.config).parent)
    errors = []
    try:
        own = study_folder.read(given.config)
        settings.check(own)  # who the centers are must be right before their rows can be
        if not given.sheet:
            study_folder.check_samples(own)
        config = study_folder.whole(own, given.preset, base)
        if not (given.sheet or config["samples"]):
            print("`samples` is null: the simulated study, which needs no check")
            return 0
        rows = read_sheet(given.sheet or base / config["samples"])
        frozen = bundle.opened(config["bundle"] and base / config["bundle"])
    except InputError as error:
        return _tell([error])
    centers = config["centers"]
    with_sheet = _kept(errors, check_sheet, rows, centers, base=base, frozen=bool(frozen))
    returned = {
        center: _kept(errors, reading.read, base / entry["returned"], center)
        for center, entry in centers.items()
        if "returned" in entry
    }
    found = _kept(errors, check_headers, _there(rows, base), centers, given.jobs, base=base)
    if with_sheet is not _FAILED and _FAILED not in returned.values():
        study = _study(config, rows, frozen, returned)
        _kept(errors, lacking.check, study)
    else:
        print("Folds and networks are looked at once the sheet is right.", file=sys.stderr)
    if errors:
        return _tell(errors)
    print(f"{len(rows)} patients, {len(found)} images: no fault found")
    print("\n".join(outline.lines(study)))
    spacings = [grid.spacing for (p, _), grid in found.items() if _is_ours(study, p)]
    if spacings:
        median = median_spacing(spacings)
        print(f"Discovery images: median spacing {millimeters(median)} mm (z, y, x)")
    return 0


_FAILED = object()


def _kept(errors, what, *arguments, **named):
    """What a check gives; its error goes to the others, so that all are told at once."""
    try:
        return what(*arguments, **named)
    except InputError as error:
        errors.append(error)
        return _FAILED


def _study(config, rows, frozen, returned):
    anatomy = yaml.safe_load(ANATOMY.read_text(encoding="utf-8"))
    if frozen:
        config, anatomy = config | frozen.settings, frozen.anatomy
    return Study(config, anatomy, rows, config["centers"], frozen, returned)


def _is_ours(study, patient):
    return study.center_of(patient) == study.discovery


def _there(rows, base):
    """The rows without the cells whose file the sheet's own check has named already."""
    return [
        row | {c: "" for c in (*IMAGES, *MASKS) if row[c] and look_at(str(base / row[c]), c)[0]}
        for row in rows
    ]


def _tell(errors):
    for error in errors:
        print(getattr(error, "full", error), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
