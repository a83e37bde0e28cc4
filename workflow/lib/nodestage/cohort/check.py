"""Config, sample sheet, returned files and all image headers of a study, before anything is run.

`python -m nodestage.cohort.check config.yaml` does it from a terminal,
and shows there what no log may hold: paths, and series descriptions.
"""

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nodestage import logs
from nodestage.cohort.centers import mask_phase
from nodestage.cohort.ct import check_overlap, ct_grid
from nodestage.cohort.facts import median_spacing
from nodestage.cohort.faults import IntakeError, about, millimeters
from nodestage.cohort.grids import MATCH_VOXELS, apart, overlap
from nodestage.cohort.masks import mask_grid
from nodestage.cohort.sheet import IMAGES, MASKS, read_sheet, series_of
from nodestage.cohort.sheet_check import check_sheet
from nodestage.cohort.sheet_files import look_at
from nodestage.errors import InputError
from nodestage.returned import reading
from nodestage.settings import check as check_config


def check_headers(rows, centers, jobs=None, *, base=None):
    """Open every image header; raise one `IntakeError` with every fault.

    Reads no voxels, except of slices that lie twice in a DICOM folder. Images are read
    in parallel (a share's latency is what takes the time), with progress.

    Returns
    -------
    {(patient, phase): Grid} of the images
    """
    base = Path(base) if base is not None else Path()
    faults, found = [], {}
    with ThreadPoolExecutor(jobs or min(16, 4 * (os.cpu_count() or 1))) as pool:
        results = pool.map(lambda row: _patient(row, centers.get(row["center"]) or {}, base), rows)
        for grids, errors in logs.progress(results, "image headers", total=len(rows)):
            found |= grids
            faults += errors
    if faults:
        head = f"{len(faults)} {'fault' if len(faults) == 1 else 'faults'} in image headers:"
        error = IntakeError("\n".join([head, *(f"  {e}" for e in faults)]))
        error.full = "\n".join([head, *(f"  {getattr(e, 'full', e)}" for e in faults)])
        raise error
    return found


def _patient(row, settings, base):
    """The grids of one patient's images, and the errors met."""
    patient, grids, errors = row["patient"], {}, []
    for phase in IMAGES:
        if row.get(phase):
            try:
                grids[patient, phase] = ct_grid(
                    base / row[phase], patient=patient, column=phase, series=series_of(row, phase)
                )
            except InputError as error:
                errors.append(error)
    if len(grids) == 2:
        try:
            check_overlap(grids[patient, "arterial"], grids[patient, "venous"], patient=patient)
        except InputError as error:
            errors.append(error)
    for role in MASKS:
        if not row.get(role):
            continue
        try:
            own = mask_grid(base / row[role], patient=patient, column=role)
            drawn_on = grids.get((patient, mask_phase(settings, role)))
            if drawn_on is not None:
                _compare(own, drawn_on, settings, patient, role, mask_phase(settings, role))
        except InputError as error:
            errors.append(error)
    return grids, errors


def _compare(own, image, settings, patient, role, phase):
    shift = apart(own, image)
    if shift <= MATCH_VOXELS or (settings.get("resample_masks") and overlap(image, own) > 0):
        return
    with about(patient, role):
        what = "does not overlap with" if overlap(image, own) == 0 else "is not on the grid of"
        raise IntakeError(
            f"{what} the {phase} image: mask {own}, image {image}. Export it on the image's grid, correct "
            "`mask_phase` of its center, or set `resample_masks: true` there"
        )


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description="Check config and sample sheet, and open every image header."
    )
    parser.add_argument("config", help="the study's YAML file, with `centers` and `samples`")
    parser.add_argument("--sheet", help="another sample sheet (.tsv, .csv or .xlsx)")
    parser.add_argument(
        "--base", help="folder that relative paths start from (default: the config's)"
    )
    parser.add_argument("--jobs", type=int, help="images read at a time")
    given = parser.parse_args(arguments)
    import yaml

    config = yaml.safe_load(Path(given.config).read_text(encoding="utf-8"))
    try:
        check_config(config)
    except InputError as error:
        return _tell([error])  # who the centers are must be right before their rows can be
    centers = config.get("centers") or {}
    base = Path(given.base or Path(given.config).parent)
    try:
        rows = read_sheet(given.sheet or base / config["samples"])
    except InputError as error:
        return _tell([error])
    errors, found = [], {}
    try:
        check_sheet(rows, centers, base=base, frozen=bool(config.get("bundle")))
    except InputError as error:
        errors.append(error)
    for center, settings in centers.items():
        if "returned" in settings:
            try:
                reading.read(base / settings["returned"], center)
            except InputError as error:
                errors.append(error)
    try:
        found = check_headers(_there(rows, base), centers, given.jobs, base=base)
    except InputError as error:
        errors.append(error)
    if errors:
        return _tell(errors)
    print(f"{len(rows)} patients, {len(found)} images: no fault found")
    ours = {row["patient"] for row in rows if centers[row["center"]]["role"] == "discovery"}
    spacings = [grid.spacing for (p, _), grid in found.items() if p in ours]
    if spacings:
        median = median_spacing(spacings)
        print(f"Discovery images: median spacing {millimeters(median)} mm (z, y, x)")
    return 0


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
