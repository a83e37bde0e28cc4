"""Whether the files and folders that a sample sheet names are there; none is opened."""

import os
import time
from pathlib import Path

from nodestage.cohort.sheet import IMAGES, MASKS, series_of
from nodestage.core import files

AHEAD_S = 60  # clocks of two machines differ by less
NO_IMAGES = (".nrrd", ".mha", ".mhd", ".hdr", ".img", ".zip", ".gz", ".mgz")
# A DICOM object may have any name; these are something else.
NO_MASKS = (
    *(".hdr", ".img", ".nhdr", ".raw", ".zraw", ".zip", ".gz", ".tar", ".tgz", ".7z", ".rar", ".mgz"),
    *(".stl", ".vtk", ".vtp", ".vtm", ".obj", ".ply", ".png", ".jpg", ".tif", ".tiff", ".bmp"),
    *(".json", ".xml", ".csv", ".tsv", ".xlsx", ".txt", ".pdf", ".mrml", ".mrb", ".npy", ".npz", ".mat"),
)  # fmt: skip
MASK_FILES = (
    "Give NIfTI (.nii, .nii.gz), DICOM SEG or RTSTRUCT, .nrrd, .seg.nrrd, .mha or .mhd; a .nhdr or a model of surfaces is "
    "saved as .nrrd first"
)


def check_files(rows, numbers, base, faults):
    """Add to `faults` each path that leads nowhere or stands in two cells.

    Parameters
    ----------
    rows, numbers : the sheet's rows and their numbers in the file
    base : folder that relative paths start from (None: the working folder)
    faults : takes `add((number, patient, column), finding, hint, path)`
    """
    base = Path(base) if base is not None else Path()
    first = {}
    for number, row in sorted(zip(numbers, rows, strict=True), key=lambda pair: pair[0]):
        for column in (*IMAGES, *MASKS):
            if not row.get(column):
                continue
            path = os.path.normpath(base / row[column])

            def fault(finding, hint, number=number, row=row, column=column, path=path):
                faults.add((number, row["patient"], column), finding, hint, path)

            finding, hint = look_at(path, column)
            if finding:
                fault(finding, hint)
                continue
            key = (path, series_of(row, column))
            other = first.setdefault(key, (number, row["patient"], column))
            if other != (number, row["patient"], column) and not _may_share(
                other, number, column, path
            ):
                fault(
                    f"the same file as {other[2]} of row {other[0]}, patient {other[1]}",
                    "Each image and mask belongs to one patient and one column"
                    if column in MASKS
                    else "Give two files or folders; from one DICOM folder choose by `arterial_series` and `venous_series`",
                )


def _may_share(other, number, column, path):
    """Whether one path may stand in two columns of a row.

    A file of masks whose segments have names, or a folder of an image with the masks drawn on it.
    """
    columns = {column, other[2]}
    if other[0] != number or not columns & set(MASKS):
        return False
    if not columns <= set(MASKS):
        return os.path.isdir(path)
    return not path.lower().endswith((".nii", ".nii.gz", ".mha", ".mhd"))


def look_at(path, column):
    """What is wrong with a path, and the hint; ('', '') if nothing."""
    if os.path.isdir(path):
        if not os.access(path, os.R_OK | os.X_OK):
            return "may not be read by this account", "Ask for the right to read it"
        with os.scandir(path) as entries:
            if next(entries, None) is None:
                return "the folder is empty", "Export the series into it again"
        return _time(path)
    if not os.path.lexists(path):
        return (
            "not there",
            "Correct the path (relative ones start at the study's folder), or empty the cell",
        )
    if not os.path.exists(path):
        return "a link that leads nowhere", "Correct the link, or give the path of the file itself"
    if not files.is_regular(path):
        return "a pipe or device, not a file", "Give the path of a file"
    if os.path.getsize(path) == 0:
        return "the file has 0 bytes", "Copy or export it again"
    if not os.access(path, os.R_OK):
        return "may not be read by this account", "Ask for the right to read it"
    lower = path.lower()
    if column in MASKS and lower.endswith(NO_MASKS) and not lower.endswith(".nii.gz"):
        return "not a mask by its name", MASK_FILES
    if column not in MASKS and lower.endswith(NO_IMAGES) and not lower.endswith(".nii.gz"):
        return "not a NIfTI file by its name", "Convert it to .nii.gz, or give a DICOM folder"
    return _time(path)


def _time(path):
    """A file newer than now would end the run after its outputs were made: Snakemake compares times."""
    ahead = os.path.getmtime(path) - time.time()
    if ahead < AHEAD_S:
        return "", ""
    days = f"{ahead / 86400:.0f} days" if ahead > 86400 else f"{ahead / 60:.0f} minutes"
    return (
        f"its time lies {days} in the future",
        "Set it to now, by the command touch, or correct the clock",
    )
