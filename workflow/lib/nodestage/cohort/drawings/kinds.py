"""Which format a mask's path has, and the drawing in it."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from nodestage.cohort import nifti
from nodestage.cohort.drawings.lattices import Lattice
from nodestage.cohort.drawings.painting import Piece
from nodestage.cohort.drawings.uids import References
from nodestage.cohort.faults import IntakeError
from nodestage.core import files

SEG = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
SURFACES = ("1.2.840.10008.5.1.4.1.1.66.5", "1.2.840.10008.5.1.4.1.1.68.1")
SLICER = (".nrrd", ".mha", ".mhd")
FORMATS = "NIfTI (.nii, .nii.gz), DICOM SEG, DICOM RTSTRUCT, .nrrd, .seg.nrrd, .mha or .mhd"
MAX_BYTES = 4_000_000_000  # of a DICOM object


class Drawing(Protocol):
    """What a file holds.

    Attributes
    ----------
    names : of its segments, by index; None where it holds values alone, as NIfTI does
    references : the DICOM series that it was drawn on
    facts : what a record takes of it
    """

    names: tuple[str, ...] | None
    references: References
    facts: dict

    def lattice(self, target: Lattice | None, wanted: Mapping[int, int]) -> Lattice:
        """The stored grid that `pieces` of `wanted` come on; raises where there is none.

        target : the image's
        wanted : {index of a segment: our id}
        """

    def pieces(self, wanted: Mapping[int, int], lattice: Lattice) -> Iterator[tuple[int, Piece]]:
        """(our id, part of it) of the segments in `wanted`, {index: our id}."""

    def values(self) -> np.ndarray:
        """Stored values (k, j, i) of a file without names."""


def opened(path: str | Path) -> Drawing | None:
    """The drawing of a file or folder; None for NIfTI, which `masks` reads by itself.

    Raises
    ------
    IntakeError where it is none of `FORMATS`, or not an ordinary file
    """
    if not os.path.exists(path):
        raise IntakeError(
            "not there. Correct the path in the sheet, or empty the cell", f"path: {path}"
        )
    if os.path.isdir(path):
        path = _only_object(path)
    if not files.is_regular(path):
        raise IntakeError("a pipe or device, not a file. Correct its path", f"path: {path}")
    if nifti.is_nifti(path):
        return None
    if str(path).lower().endswith(SLICER):
        from nodestage.cohort.drawings import slicer

        return slicer.opened(path)
    from nodestage.cohort.dicom.headers import looks_like_dicom

    if not looks_like_dicom(path):
        raise IntakeError(f"not a mask by its name or content. Give {FORMATS}")
    return _dicom(path)


def _dicom(path):
    kind = _class_of(path)
    if kind not in (*SEG, RTSTRUCT):
        what = "surfaces" if kind in SURFACES else "a DICOM object of another kind"
        raise IntakeError(
            f"{what}, not a DICOM SEG or RTSTRUCT. Were image and mask exchanged in the sheet? Else export the "
            "segments as one of these"
        )
    if os.path.getsize(path) > MAX_BYTES:
        raise IntakeError(
            f"{os.path.getsize(path)} bytes, at most {MAX_BYTES} are read. Export it again without what isn't needed"
        )
    from nodestage.cohort.dicom.folders import unpacks_within_bounds

    if not unpacks_within_bounds(path):
        raise IntakeError(f"deflated beyond any mask. {nifti.DAMAGED}")
    if kind == RTSTRUCT:
        from nodestage.cohort.drawings import rtstruct

        return rtstruct.opened(path)
    from nodestage.cohort.drawings import seg

    return seg.opened(path)


def _class_of(path):
    """SOP class UID of a DICOM file, or ''."""
    import pydicom

    import nodestage.cohort.dicom.headers  # noqa: F401  silences pydicom, which shows values

    try:
        data = pydicom.dcmread(
            path, stop_before_pixels=True, specific_tags=["SOPClassUID"], force=True
        )
        return str(
            data.get("SOPClassUID", "") or getattr(data.file_meta, "MediaStorageSOPClassUID", "")
        )
    except Exception:  # pydicom raises what a broken header leads it to
        return ""


def _only_object(folder):
    """The one SEG or RTSTRUCT of a folder; other objects, such as the CT beside it, don't matter."""
    from nodestage.cohort.dicom.folders import files_under
    from nodestage.cohort.dicom.headers import looks_like_dicom

    paths = [
        path
        for path in files_under(folder)[0]
        if looks_like_dicom(path) and _class_of(path) in (*SEG, RTSTRUCT)
    ]
    if len(paths) == 1:
        return paths[0]
    raise IntakeError(
        f"a folder with {len(paths) or 'no'} DICOM SEG or RTSTRUCT {'files' if len(paths) != 1 else 'file'}. Give the "
        f"path of one file: {FORMATS}; TotalSegmentator writes one with --ml",
        "\n".join(f"  {os.path.relpath(path, folder)}" for path in paths),
    )
