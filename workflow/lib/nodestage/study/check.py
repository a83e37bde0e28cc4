"""A study checked before anything is run: config, sheet, returned files, image headers, who learns.

`python -m nodestage.study.check my_study/config.yaml` does it from a terminal,
and shows there what no log may hold: paths, and series descriptions.
"""

import argparse
import sys
from pathlib import Path

from snakemake.utils import update_config

from nodestage.cohort import notices
from nodestage.cohort.centers import check_label_systems
from nodestage.cohort.check import check_headers_and_notices
from nodestage.cohort.faults import millimeters
from nodestage.cohort.image_quality import median_spacing
from nodestage.cohort.sheet import IMAGES, MASKS, read_sheet
from nodestage.cohort.sheet_check import check_sheet
from nodestage.cohort.sheet_files import look_at
from nodestage.core import configs
from nodestage.core.errors import InputError
from nodestage.exchange import bundle
from nodestage.exchange.returned import reading
from nodestage.study import Study, folder, lacking, outline, preset, settings
from nodestage.study.method_files import check_method_files

CONFIGS = folder.REPOSITORY / "config"
DEFAULTS = ("config.yaml", "simulator.yaml")


def main(arguments=None):
    """Check a study from the command line; the exit status."""
    parser = argparse.ArgumentParser(
        description="Check config and sample sheet, and open every image header."
    )
    parser.add_argument("config", help="the study's YAML file, with `centers` and `samples`")
    parser.add_argument("--sheet", help="another sample sheet (.tsv, .csv or .xlsx)")
    parser.add_argument(
        "--base", help="folder that relative paths start from (default: the config's)"
    )
    parser.add_argument(
        "--preset",
        help="settings laid under the study's own, as `make run` does; empty: those that the study's "
        "file `preset` names",
    )
    parser.add_argument("--bundle", help="another bundle than the one that the config names")
    parser.add_argument("--jobs", type=int, help="images read at a time")
    parser.add_argument(
        "--no-images", action="store_true", help="open no image, and say nothing if all is well"
    )
    given = parser.parse_args(arguments)
    base = Path(given.base or Path(given.config).parent)
    try:
        config, frozen = _configured(given, base)
        if not config["samples"]:
            if not given.no_images:
                print("`samples` is null: the simulated study, which needs no check")
            return 0
        rows = read_sheet(base / config["samples"])
    except InputError as error:
        return _tell([error])
    errors, images = [], None
    study = _study(config, rows, frozen, base, errors)
    if not given.no_images:
        images = _kept(
            errors,
            check_headers_and_notices,
            _there(rows, base),
            config["centers"],
            given.jobs,
            base=base,
        )
    if errors:
        for error in errors:
            _print_questions(getattr(error, "questions", ()))
        return _tell(errors)
    if not given.no_images:
        found, said, questions = images
        print(f"{len(rows)} patients, {len(found)} images: no fault found")
        print("\n".join(outline.lines(study)))
        spacings = [grid.spacing for (p, _), grid in found.items() if _is_ours(study, p)]
        if spacings:
            median = median_spacing(spacings)
            print(f"Discovery images: median spacing {millimeters(median)} mm (z, y, x)")
        _print_list("Intake leaves out or changes:", notices.summary(said))
        _print_questions(questions)
    return 0


def _print_questions(questions):
    _print_list("Look at these:", [f"  {question}" for question in questions])


def _print_list(head, lines):
    if lines:
        print("\n".join([head, *lines]))


def _configured(given, base):
    """The whole config that the arguments ask for, and the bundle that it names, or None."""
    folder.check_name(base)
    own = configs.read(given.config)
    settings.check(own)  # who the centers are must be right before their rows can be
    if given.sheet:
        own["samples"] = str(Path(given.sheet).absolute())
    folder.check_samples(own)
    under = None if given.preset is None else preset.chosen(base, given.preset)
    config = _whole(own, under, base)
    named = config["bundle"] and base / config["bundle"]
    return config, bundle.opened(given.bundle or named)


def _whole(own, under, base):
    """A study's config with all that it leaves out: the defaults, the preset, then its own.

    Parameters
    ----------
    own : dict, the study's own config
    under : file that is laid under it, or None
    base : folder from which the paths in it start
    """
    layers = [configs.read(CONFIGS / name) for name in DEFAULTS]
    layers += [configs.read(under)] if under else []
    found = {}
    for layer in [*layers, own]:
        update_config(found, layer)
    if found["folds"]["folder"]:
        found["folds"]["folder"] = str(Path(base, found["folds"]["folder"]))
    return found


def _study(config, rows, frozen, base, errors):
    """The study of a sheet, None where the sheet is wrong; what is wrong is added to `errors`."""
    centers = config["centers"]
    _kept(errors, check_sheet, rows, centers, base=base, frozen=bool(frozen))
    anatomy = frozen.anatomy if frozen else configs.load(CONFIGS / "anatomy.yaml")
    _kept(errors, check_label_systems, centers, anatomy["labels"])
    _kept(errors, check_method_files, config["methods"], base)
    returned = {
        center: _kept(errors, reading.read, base / entry["returned"], center)
        for center, entry in centers.items()
        if "returned" in entry
    }
    if errors:
        print("Folds and networks are looked at once the sheet is right.", file=sys.stderr)
        return None
    if frozen:
        config = config | frozen.settings
    study = Study(config, anatomy, rows, centers, frozen, returned)
    _kept(errors, lacking.check, study)
    return study


def _kept(errors, what, *arguments, **named):
    """What a check gives; its error goes to the others, so that all are told at once."""
    try:
        return what(*arguments, **named)
    except InputError as error:
        errors.append(error)
        return None


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
