"""A study checked before anything is run: config, sheet, returned files, image headers, training patients.

`python -m nodestage.study.check my_study/config.yaml` does it from a terminal, and prints what
no log may contain: paths, and series descriptions.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from snakemake.utils import update_config

from nodestage.cohort import notices
from nodestage.cohort.centers import check_label_systems
from nodestage.cohort.check import check_headers_and_notices
from nodestage.cohort.clinical import own_columns
from nodestage.cohort.faults import millimeters, some
from nodestage.cohort.image_quality import median_spacing
from nodestage.cohort.sheet import IMAGES, MASKS, read_sheet
from nodestage.cohort.sheet_check import check_sheet
from nodestage.cohort.sheet_files import look_at
from nodestage.core import configs
from nodestage.core.errors import InputError
from nodestage.exchange.bundle import Frozen, opened
from nodestage.exchange.returned import reading
from nodestage.study import aliases, folder, lacking, outline, preset, pretraining, schema, teachers
from nodestage.study import anatomy as anatomies
from nodestage.study.method_files import check_method_files
from nodestage.study.study import Sheet, Study, build

CONFIGS = folder.REPOSITORY / "config"
DEFAULTS = ("config.yaml", "simulator.yaml")


def main(arguments: list[str] | None = None) -> int:
    """Check a study from the command line; the exit status."""
    options = _parser().parse_args(arguments)
    base = Path(options.base or Path(options.config).parent)
    try:
        config, bundle = _configured(options, base)
        anatomy = anatomies.of_study(config, bundle, base)
        anatomies.check_against_config(anatomy, config)
        config = anatomies.with_phase_of_masks(anatomy, config)
        if not config["samples"]:
            if not options.no_images:
                print("`samples` is null: the simulated study, which needs no check")
            return 0
        _print_added(bundle)
        rows = read_sheet(base / config["samples"], own_columns(anatomy["clinical"]))
    except InputError as error:
        return _report([error])
    errors: list[InputError] = []
    study, images = _study(config, anatomy, rows, bundle, base, errors), None
    if not options.no_images:
        images = _collect(
            errors,
            check_headers_and_notices,
            _present(rows, base),
            config["centers"],
            options.jobs,
            base=base,
            labels=anatomy["labels"],
        )
    if errors or study is None:
        for fault in errors:
            _print_notes(getattr(fault, "changes", {}), getattr(fault, "questions", ()))
        if images is not None:
            _print_notes(*images[1:])
        return _report(errors)
    if images is not None:
        headers, changes, questions = images
        print(f"{len(rows)} patients, {len(headers)} images: no fault found")
        print("\n".join(outline.lines(study)))
        discovery = study.patients.of(study.centers.discovery)
        spacings = [grid.spacing for (p, _), grid in headers.items() if p in discovery]
        if spacings:
            median = median_spacing(spacings)
            print(f"Discovery images: median spacing {millimeters(median)} mm (z, y, x)")
        if rows.ignored:
            print(f"Columns of the sheet that nothing reads: {some(rows.ignored)}")
        _print_notes(changes, questions)
        for notice in [] if bundle else pretraining.missing(config):
            print(notice)
    return 0


def _print_notes(changes: dict[tuple[str, str], list[str]], questions: Iterable[str]) -> None:
    """Print what intake leaves out or changes of each image, and what should be looked at."""
    _print_list("Intake leaves out or changes:", notices.summary(changes))
    _print_list("Look at these:", [f"  {question}" for question in questions])


def _print_added(bundle: Frozen | None) -> None:
    """Print which code of a bundle isn't nodestage's, before anything runs."""
    if bundle:
        _print_list(
            "The bundle brings code:", [f"  {sentence}" for sentence in bundle.added.values()]
        )


def _print_list(head: str, lines: list[str]) -> None:
    if lines:
        print("\n".join([head, *lines]))


def _parser() -> argparse.ArgumentParser:
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
        help="settings that those of the study replace, as in `make run`; empty: those that the study's "
        "file `preset` names",
    )
    parser.add_argument("--bundle", help="another bundle than the one that the config names")
    parser.add_argument("--jobs", type=int, help="images read at a time")
    parser.add_argument(
        "--no-images", action="store_true", help="open no image, and print nothing if all is well"
    )
    return parser


def _configured(options: argparse.Namespace, base: Path) -> tuple[dict[str, Any], Frozen | None]:
    """The whole config that the arguments ask for, and the bundle that it names, or None."""
    folder.check_name(base)
    written = _current(configs.read(options.config))
    preset_file = None if options.preset is None else preset.chosen(base, options.preset)
    named = options.bundle or _path(written.get("bundle"), base)
    bundle = opened(named)
    # Centers must be valid before their rows can be checked.
    structures = _structures(written, preset_file, bundle, base)
    schema.check(_with_simulator(written, preset_file), structures)
    if options.sheet:
        written["samples"] = str(Path(options.sheet).absolute())
    folder.check_samples(written)
    return _whole(written, preset_file, base), bundle


def _with_simulator(written: dict[str, Any], preset_file: Path | None) -> dict[str, Any]:
    """A config whose simulator has what it leaves out: a study may change one number of one center."""
    own = written.get("simulator")
    if not isinstance(own, dict) or not isinstance(own.get("centers", {}), dict):
        return written
    files = [CONFIGS / "simulator.yaml", *([preset_file] if preset_file else [])]
    whole: dict[str, Any] = {}
    for layer in [*(configs.read(file) for file in files), {"simulator": own}]:
        update_config(whole, {"simulator": layer.get("simulator", {})})
    return written | whole


def _path(named: Any, base: Path) -> Path | None:
    """The path of what a config names, from the study's folder; None where it names none."""
    return base / named if isinstance(named, str) and named else None


def _structures(
    written: dict[str, Any], preset_file: Path | None, bundle: Frozen | None, base: Path
) -> list[str] | None:
    """Names of the structures that a study's config may use."""
    layers = [configs.read(preset_file)] if preset_file else []
    named = [layer["anatomy"] for layer in [*layers, written] if "anatomy" in layer]
    return anatomies.structures({"anatomy": named[-1]} if named else {}, bundle, base)


def _current(written: dict[str, Any]) -> dict[str, Any]:
    """A config with the new names of its settings; warns of old ones."""
    aliases.check(written)
    for warning in aliases.rename(written):
        print(f"Warning: {warning}", file=sys.stderr)
    return written


def _whole(written: dict[str, Any], preset_file: Path | None, base: Path) -> dict[str, Any]:
    """A study's config with all that it leaves out: the defaults, the preset, then its settings.

    Parameters
    ----------
    written : the study's config
    preset_file : file whose settings it replaces, or None
    base : folder from which the paths in it start
    """
    layers = [configs.read(CONFIGS / name) for name in DEFAULTS]
    layers += [_current(configs.read(preset_file))] if preset_file else []
    whole: dict[str, Any] = {}
    for layer in [*layers, written]:
        update_config(whole, layer)
        configs.keep_empty(whole, layer)
    if whole["folds"]["folder"]:
        whole["folds"]["folder"] = str(Path(base, whole["folds"]["folder"]))
    return whole


def _study(
    config: dict[str, Any],
    anatomy: dict[str, Any],
    rows: list[dict[str, str]],
    bundle: Frozen | None,
    base: Path,
    errors: list[InputError],
) -> Study | None:
    """The study of a sheet, None where the sheet has faults; these are added to `errors`."""
    centers = config["centers"]
    named = {"base": base, "frozen": bool(bundle), "clinical": anatomy["clinical"]}
    _collect(errors, check_sheet, rows, centers, **named)
    _collect(errors, check_label_systems, centers, anatomy["labels"])
    if bundle:
        _collect(errors, check_method_files, bundle.settings["methods"], Path())
    else:
        _collect(errors, check_method_files, config["methods"], base)
        _collect(errors, pretraining.check, config, base)
        _collect(errors, teachers.check, config, base)
    returned = {
        center: _collect(errors, reading.read, base / entry["returned"], center)
        for center, entry in centers.items()
        if "returned" in entry
    }
    if errors:
        print("Folds and networks are checked once the sheet is right.", file=sys.stderr)
        return None
    if bundle:
        aliases.rename(bundle.settings)
        schema.check_bundle(bundle.settings, anatomies.structures(config, bundle))
        config = config | bundle.settings_over(config) | {"anatomy": None}
    study = build(config, anatomy, Sheet(rows, centers), bundle, returned)
    _collect(errors, lacking.check, study)
    return study


def _collect(
    errors: list[InputError], check: Callable[..., Any], *arguments: Any, **named: Any
) -> Any:
    """What a check returns; its error is added to the others, so that all are reported at once."""
    try:
        return check(*arguments, **named)
    except InputError as error:
        errors.append(error)
        return None


def _present(rows: list[dict[str, str]], base: Path) -> list[dict[str, str]]:
    """The rows without the cells whose file the check of the sheet has reported already."""
    return [
        row | {c: "" for c in (*IMAGES, *MASKS) if row[c] and look_at(str(base / row[c]), c)[0]}
        for row in rows
    ]


def _report(errors: list[InputError]) -> int:
    for error in errors:
        print(getattr(error, "full", error), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
