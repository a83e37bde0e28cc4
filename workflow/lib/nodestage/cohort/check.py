"""All image headers of a study, before anything is run."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nodestage.cohort import same
from nodestage.cohort.centers import mask_phase
from nodestage.cohort.ct import check_overlap, ct_grid_with_mark
from nodestage.cohort.faults import IntakeError, about
from nodestage.cohort.grids import MATCH_VOXELS, apart, overlap
from nodestage.cohort.masks import mask_grid
from nodestage.cohort.sheet import IMAGES, MASKS, series_of
from nodestage.core import logs
from nodestage.core.errors import InputError


def check_headers(rows, centers, jobs=None, *, base=None):
    """Open every image header; raise one `IntakeError` with every fault.

    Reads no voxels, except of slices that lie twice in a DICOM folder, and of three slices of each
    series, by which an image that stands in two places is known. Images are read
    in parallel (a share's latency is what takes the time), with progress.

    Returns
    -------
    {(patient, phase): Grid} of the images
    """
    base = Path(base) if base is not None else Path()
    faults, found, marks, paths = [], {}, {}, {}
    with ThreadPoolExecutor(jobs or min(16, 4 * (os.cpu_count() or 1))) as pool:
        results = pool.map(lambda row: _patient(row, centers.get(row["center"]) or {}, base), rows)
        for grids, own, errors in logs.progress(results, "image headers", total=len(rows)):
            found |= grids
            marks |= own
            faults += errors
    for row in rows:
        for phase in IMAGES:
            if (row["patient"], phase) in marks:
                # Of one path in two cells the sheet's own check tells.
                path = os.path.normpath(base / row[phase])
                paths.setdefault(path, (row["patient"], phase))
    paths = {place: path for path, place in paths.items()}
    faults += same.errors({place: marks[place] for place in paths}, paths)
    if faults:
        head = f"{len(faults)} {'fault' if len(faults) == 1 else 'faults'} in image headers:"
        error = IntakeError("\n".join([head, *(f"  {e}" for e in faults)]))
        error.full = "\n".join([head, *(f"  {getattr(e, 'full', e)}" for e in faults)])
        raise error
    return found


def _patient(row, settings, base):
    """The grids of one patient's images, what marks each, and the errors met."""
    patient, grids, marks, errors = row["patient"], {}, {}, []
    for phase in IMAGES:
        if row.get(phase):
            try:
                grids[patient, phase], marks[patient, phase] = ct_grid_with_mark(
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
            mine = {phase: grids.get((patient, phase)) for phase in IMAGES}
            if mine[mask_phase(settings, role)] is not None:
                _compare(own, mine, settings, patient, role)
        except InputError as error:
            errors.append(error)
    return grids, marks, errors


def _compare(own, images, settings, patient, role):
    """Hold a mask's grid against those of `images`, {phase: Grid or None}."""
    phase = mask_phase(settings, role)
    image = images[phase]
    if _on(own, image) or (settings.get("resample_masks") and overlap(image, own) > 0):
        return
    with about(patient, role):
        for other, grid in images.items():
            if grid is not None and _on(own, grid):
                raise IntakeError(
                    f"is not on the grid of the {phase} image, but exactly on that of the {other} one. Are `arterial` and "
                    f"`venous` exchanged in the sheet? If it was drawn on the {other} phase, set `mask_phase: {other}` "
                    "for its center"
                )
        what = "does not overlap with" if overlap(image, own) == 0 else "is not on the grid of"
        raise IntakeError(
            f"{what} the {phase} image: mask {own}, image {image}. Export it on the image's grid, correct "
            "`mask_phase` of its center, or set `resample_masks: true` there"
        )


def _on(own, image):
    return apart(own, image) <= MATCH_VOXELS
