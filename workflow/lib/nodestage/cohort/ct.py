"""A CT from outside: NIfTI file or DICOM folder to int16 HU on a canonical grid."""

import functools
import hashlib
import os
from dataclasses import dataclass

import numpy as np

from nodestage.cohort import grids, nifti, same, values
from nodestage.cohort.drawings.lattices import Lattice
from nodestage.cohort.drawings.uids import References
from nodestage.cohort.faults import IntakeError, about
from nodestage.core import files

SLICES = 6  # of a DICOM series, that `make check` decodes


def read_ct(path, *, patient="", column="", series="", hu_offset=0):
    """Read and check a CT.

    Parameters
    ----------
    path : NIfTI file, DICOM folder (searched with its subfolders), or DICOM file
    patient, column : for messages
    series : which series of a DICOM folder, as the sheet names it (see `dicom.choosing.find`)
    hu_offset : added to every value, for a center whose files are shifted

    Returns
    -------
    Volume : int16 HU (z, y, x), spacing in mm (z, y, x), direction the identity (LPS)
    """
    return read_ct_with_record(
        path, patient=patient, column=column, series=series, hu_offset=hu_offset
    )[0]


def read_ct_with_record(path, *, patient="", column="", series="", hu_offset=0):
    """As `read_ct`, and a dict of what was left out, corrected and straightened.

    The record holds only numbers and fixed words: no path, no date, no text from the
    image file.
    """
    from nodestage.core.volumes import Volume

    facts = {}
    with about(patient, column):
        if _is_dicom(path):
            stored, affine = _read_dicom(path, series, facts, grids.AIR - hu_offset)
            facts["format"] = "dicom"
        else:
            header, stored = nifti.read(path)
            affine = header.affine
            facts |= header.facts | {"format": "nifti"}
        hu = values.to_hu(stored, facts, hu_offset)
        blank = int(np.count_nonzero(hu.max((1, 2)) == hu.min((1, 2))))
        if blank:
            facts["blank_slices"] = blank
        plan = grids.plan(hu.shape, affine)
        facts |= plan.facts
        array = plan(hu)
        grid = plan.grid
    volume = Volume(array, grid.spacing, grid.origin)
    facts |= {
        "shape": list(grid.shape),
        "spacing_mm": [round(s, 6) for s in grid.spacing],
        "stored_shape": list(stored.shape),
    }
    return volume, facts


@dataclass(frozen=True)
class Headers:
    """What the headers of a CT say.

    Attributes
    ----------
    grid : the canonical grid that `read_ct` would give
    mark : what an equal image would have too (see `same`), from a few bytes
    facts : what `read_ct_with_record` would record, as far as headers know
    lattice : the grid as stored, before it is straightened
    references : UIDs by which a DICOM mask names it; none of NIfTI
    person, exam, birth : digests of patient ID, study UID and date of birth, '' where there are none;
        compared, never shown
    sex : "M" or "F" where the header has one of these, else ""
    """

    grid: grids.Grid
    mark: str
    facts: dict
    lattice: Lattice
    references: References
    person: str = ""
    exam: str = ""
    birth: str = ""
    sex: str = ""


def ct_grid(path, *, patient="", column="", series=""):
    """The canonical grid that `read_ct` would give, from headers alone."""
    return ct_headers(path, patient=patient, column=column, series=series).grid


def ct_headers(path, *, patient="", column="", series="", hu_offset=None):
    """What the headers of a CT say, as `Headers`.

    With `hu_offset` (HU that intake adds to every value) some slices from its middle are looked at, too;
    where these can't be HU, the whole image is read as intake does, which raises the error.
    """
    facts, identifiers, sex, references = {}, ("", "", ""), "", References()
    with about(patient, column):
        if _is_dicom(path):
            from nodestage.cohort.dicom import choosing, pixels, slices

            chosen = choosing.find(path, series, facts)
            first = chosen.frames[0]
            shape, affine = (len(chosen.frames), *first.shape), slices.affine(chosen, facts)
            nifti.check_size(shape[::-1])
            mark = same.mark_of_series(chosen.frames)
            identifiers = (first.patient, first.study, first.birth)
            sex = first.sex if first.sex in ("M", "F") else ""
            references = _references(chosen)

            def middle():
                frames = chosen.frames[len(chosen.frames) // 4 : -(len(chosen.frames) // 4) or None]
                few = frames[:: max(1, -(-len(frames) // SLICES))]
                return np.stack([pixels.to_hu(f, {}, grids.AIR - hu_offset) for f in few])
        else:
            header = nifti.read_header(path)
            shape, affine, facts = header.shape, header.affine, dict(header.facts)
            mark = same.mark_of_file(path)
            middle = functools.partial(nifti.middle, path, header)
        plan = grids.plan(shape, affine)
        facts |= plan.facts
        if hu_offset is not None and not _looks_like_hu(middle, hu_offset, facts):
            read_ct_with_record(
                path, patient=patient, column=column, series=series, hu_offset=hu_offset
            )
        lattice = Lattice(tuple(shape), affine)
        digests = map(_digest, identifiers)
        return Headers(plan.grid, mark, facts, lattice, references, *digests, sex)


def _looks_like_hu(middle, hu_offset, facts):
    """Whether some slices pass for HU; what they show goes into `facts`. Those with one value throughout say nothing."""
    try:
        stored, seen = middle(), {}
        if stored.min() < stored.max():
            values.to_hu(stored, seen, hu_offset)
    except IntakeError:
        return False
    facts |= {key: seen[key] for key in ("air_at_hu", "fat_at_hu") if key in seen}
    return True


def _references(series):
    """UIDs of a series, those of copies that were left out among them."""
    frames = [*series.frames, *series.copies]
    return References(
        frozenset(frame.tags["FrameOfReferenceUID"] for frame in frames) - {""},
        frozenset(frame.series for frame in frames) - {""},
        frozenset(frame.sop for frame in frames) - {""},
    )


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def _is_dicom(path):
    if not os.path.exists(path):
        raise IntakeError(
            "not there. Correct the path in the sheet, or empty the cell", f"path: {path}"
        )
    if os.path.isdir(path):
        return True
    if not files.is_regular(path):
        raise IntakeError("a pipe or device, not a file. Correct its path", f"path: {path}")
    if nifti.is_nifti(path):
        return False
    from nodestage.cohort.dicom.headers import looks_like_dicom

    if looks_like_dicom(path):
        return True
    raise IntakeError(
        "neither NIfTI nor DICOM. Convert it to .nii.gz, or give a DICOM folder", f"path: {path}"
    )


def _read_dicom(path, series, facts, air):
    from nodestage.cohort.dicom import choosing, pixels, slices

    chosen = choosing.find(path, series, facts)
    affine = slices.affine(chosen, facts)
    nifti.check_size((*chosen.frames[0].shape[::-1], len(chosen.frames)))
    stored = np.empty((len(chosen.frames), *chosen.frames[0].shape), np.int32)
    for k, frame in enumerate(chosen.frames):
        stored[k] = pixels.to_hu(frame, facts, air)
    return stored, affine


def check_overlap(first, second, *, patient="", columns=("arterial", "venous")):
    """Share of the smaller image's box that lies in the other's; an error if none does.

    `first` and `second` are canonical Volumes or Grids.
    """
    a, b = (v if isinstance(v, grids.Grid) else grids.of(v) for v in (first, second))
    share = max(grids.overlap(a, b), grids.overlap(b, a))
    if share == 0:
        with about(patient, columns[0]):
            raise IntakeError(
                f"does not overlap with {columns[1]} in space: {columns[0]} is {a}, {columns[1]} is {b}. "
                "Are both from the same examination? Convert both from DICOM again"
            )
    return share
