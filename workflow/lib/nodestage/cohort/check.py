"""All image headers of a study, before anything is run."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from nodestage.cohort import notices, same
from nodestage.cohort.centers import label_system, mask_phase, segments
from nodestage.cohort.ct import check_overlap, ct_headers
from nodestage.cohort.drawings.references import Source
from nodestage.cohort.faults import IntakeError, about, some
from nodestage.cohort.grids import MATCH_VOXELS, apart, overlap
from nodestage.cohort.masks import KNOWN, NEAREST, MaskRules, mask_headers
from nodestage.cohort.sheet import IMAGES, MASKS, series_of
from nodestage.core import logs
from nodestage.core.errors import InputError


def check_headers(rows, centers, jobs=None, *, base=None):
    """Open every image header; raise one `IntakeError` with every fault.

    Reads no voxels, except of slices that lie twice in a DICOM folder, and of a few slices of each
    image, which show whether it is in HU and whether two cells of the sheet name the same image. Images are read
    in parallel (a share's latency is what takes the time), with progress.

    Returns
    -------
    {(patient, phase): Grid} of the images; `check_headers_and_notices` gives what is worth saying too
    """
    return check_headers_and_notices(rows, centers, jobs, base=base)[0]


def check_headers_and_notices(rows, centers, jobs=None, *, base=None, labels=None):
    """As `check_headers`, and sentences on what intake leaves out or changes, and on whose images these are.

    labels : {class: id} of config/anatomy.yaml, by which organ masks are looked at; None: they aren't

    Returns
    -------
    {(patient, phase): Grid}
    {(patient, column): list of sentences}
    list of questions on exams and persons, each a sentence
    """
    base = Path(base) if base is not None else Path()
    known = KNOWN | ({"organs": labels} if labels else {})
    faults, grids, marks, cells, changes, read = [], {}, {}, {}, {}, {}
    with ThreadPoolExecutor(jobs or min(16, 4 * (os.cpu_count() or 1))) as pool:
        results = pool.map(
            lambda row: _patient(row, centers.get(row["center"]) or {}, base, known), rows
        )
        for patient in logs.progress(results, "image headers", total=len(rows)):
            grids |= patient.grids
            marks |= patient.marks
            changes |= patient.notices
            read |= patient.read
            faults += patient.errors
    for row in rows:
        for phase in IMAGES:
            if (row["patient"], phase) in marks:
                # One path in two cells is reported by the check of the sheet.
                path = os.path.normpath(base / row[phase])
                cells.setdefault(path, (row["patient"], phase))
    paths = {cell: path for path, cell in cells.items()}
    faults += same.errors({cell: marks[cell] for cell in paths}, paths)
    if faults:
        head = f"{len(faults)} {'fault' if len(faults) == 1 else 'faults'} in image headers:"
        error = IntakeError("\n".join([head, *(f"  {e}" for e in faults)]))
        error.full = "\n".join([head, *(f"  {getattr(e, 'full', e)}" for e in faults)])
        error.questions, error.changes = questions(read, rows), changes
        raise error
    return grids, changes, questions(read, rows)


def questions(read, rows):
    """Sentences on images of two exams or persons in one row, and of one person in two rows.

    Parameters
    ----------
    read : {(patient, phase): ct.Headers}
    rows : of the sheet; their `sex` is compared with that of the headers
    """
    sexes = {row["patient"]: str(row.get("sex") or "").strip().upper()[:1] for row in rows}
    sentences, rows_of = [], {}
    for patient in sorted({patient for patient, _ in read}):
        both = [read[patient, phase] for phase in IMAGES if (patient, phase) in read]
        if len({headers.exam for headers in both if headers.exam}) > 1:
            sentences.append(
                f"{patient}: arterial and venous come from two examinations (two study UIDs). Are both meant?"
            )
        # Anonymization may give all patients one ID, and not hide that they are others.
        if len({headers.birth for headers in both if headers.birth}) > 1:
            sentences.append(
                f"{patient}: arterial and venous carry two dates of birth. Are both images of this person?"
            )
        stated = {headers.sex for headers in both if headers.sex}
        if len(stated) > 1 or (stated and sexes.get(patient) in {"M", "F"} - stated):
            sentences.append(
                f"{patient}: the sex in the headers of arterial, venous and in the sheet differs. Is this the right row?"
            )
        for person in {headers.person for headers in both} - {""}:
            rows_of.setdefault(person, []).append(patient)
    for patients in sorted(rows_of.values()):
        if len(patients) > 1:
            sentences.append(
                f"{some(patients)}: their images carry one patient ID. If this is one person, keep one row: two can stand "
                "in training and test of one fold. If an export replaced all IDs by one, all is well"
            )
    return sentences


def _check_person(arterial, venous, patient):
    """Refuse phases of two persons in one row."""
    if arterial.person and venous.person and arterial.person != venous.person:
        with about(patient, "venous"):
            raise IntakeError(
                "arterial and venous carry two patient IDs: images of two persons in one row. Correct the path of one; if "
                "an export gave each series an ID of its own, export both again with one"
            )


@dataclass
class _Headers:
    """One patient's image headers: grids and marks by (patient, phase), and the errors."""

    grids: dict = field(default_factory=dict)
    marks: dict = field(default_factory=dict)
    errors: list = field(default_factory=list)
    notices: dict = field(default_factory=dict)
    read: dict = field(default_factory=dict)


def _patient(row, settings, base, known):
    """Read the headers of one patient's images and masks; `known` : {role: {class: id}}."""
    patient, headers = row["patient"], _Headers()
    grids, marks, errors = headers.grids, headers.marks, headers.errors
    for phase in IMAGES:
        if row.get(phase):
            try:
                image = ct_headers(
                    base / row[phase],
                    patient=patient,
                    column=phase,
                    series=series_of(row, phase),
                    hu_offset=settings.get("hu_offset", 0),
                )
                grids[patient, phase], marks[patient, phase] = image.grid, image.mark
                headers.read[patient, phase] = image
                headers.notices[patient, phase] = notices.of_image(image.facts)
            except InputError as error:
                errors.append(error)
    if len(grids) == 2:
        try:
            _check_person(*(headers.read[patient, phase] for phase in IMAGES), patient)
            check_overlap(grids[patient, "arterial"], grids[patient, "venous"], patient=patient)
        except InputError as error:
            errors.append(error)
    for role in MASKS:
        if not row.get(role):
            continue
        try:
            rules = None
            if role in known:
                rules = MaskRules(
                    role,
                    label_system(settings, role, known.get("organs")),
                    known.get("organs"),
                    segments=segments(settings),
                )
            read = {
                phase: headers.read[patient, phase] for phase in IMAGES if (patient, phase) in grids
            }
            source = Source(mask_phase(settings, role), read)
            mask, facts = mask_headers(
                base / row[role], rules, patient=patient, column=role, source=source
            )
            images = {phase: grids.get((patient, phase)) for phase in IMAGES}
            if mask is not None and images[source.phase] is not None:
                facts |= _compare(mask, images, settings, patient, role)
            headers.notices[patient, role] = notices.of_mask(facts)
        except InputError as error:
            errors.append(error)
    return headers


def _compare(mask, images, settings, patient, role):
    """Compare a mask's grid with those of `images`, {phase: Grid or None}; the facts of being resampled."""
    phase = mask_phase(settings, role)
    image = images[phase]
    if _on(mask, image):
        return {}
    if settings.get("resample_masks") and overlap(image, mask) > 0:
        return {"resampled": NEAREST}
    with about(patient, role):
        for other, grid in images.items():
            if grid is not None and _on(mask, grid):
                raise IntakeError(
                    f"is not on the grid of the {phase} image, but exactly on that of the {other} one. Are `arterial` and "
                    f"`venous` exchanged in the sheet? If it was drawn on the {other} phase, set `mask_phase: {other}` "
                    "for its center"
                )
        what = "does not overlap with" if overlap(image, mask) == 0 else "is not on the grid of"
        raise IntakeError(
            f"{what} the {phase} image: mask {mask}, image {image}. Export it on the image's grid, correct "
            "`mask_phase` of its center, or set `resample_masks: true` there"
        )


def _on(mask, image):
    return apart(mask, image) <= MATCH_VOXELS
