"""One image in two places: both phases of a patient, or two patients.

A copy under another name, path or UID is the same image still. Between patients it carries what a
network learned from one into the test of the other.
"""

import hashlib
import os

import numpy as np

from nodestage.cohort.faults import IntakeError, about
from nodestage.core import files

CHUNK = 1 << 16  # bytes at each of three places of a file


def digest(array):
    """Digest of a CT's voxels (z, y, x), whatever file they came in."""
    found = hashlib.sha256(repr(array.shape).encode())
    for plane in array:
        found.update(np.ascontiguousarray(plane).tobytes())
    return found.hexdigest()


def mark_of_file(path):
    """What tells most files apart at the cost of three short reads: length, beginning, middle, end."""
    size = os.path.getsize(path)
    found = hashlib.sha256(str(size).encode())
    with open(path, "rb") as handle:
        for place in (0, size // 2, max(0, size - CHUNK)):
            handle.seek(place)
            found.update(handle.read(CHUNK))
    return found.hexdigest()


def mark_of_series(frames):
    """The same of a DICOM series: how many slices, and the pixels of first, middle and last."""
    from nodestage.cohort.dicom import pixels

    chosen = [frames[0], frames[len(frames) // 2], frames[-1]]
    return repr((len(frames), [pixels.digest(frame) for frame in chosen]))


def check(marks):
    """Raise one `IntakeError` that names every image that stands in two places.

    Parameters
    ----------
    marks : {(patient, phase): what is equal of equal images}
    """
    faults = [str(error) for error in errors(marks)]
    if faults:
        raise IntakeError("\n".join(faults))


def errors(marks, paths=None):
    """An `IntakeError` for every image that another place has already, in the order of the codes.

    `paths`, where given, are compared in full before equal marks are believed.
    """
    first, found = {}, []
    for place in sorted(marks):
        other = first.setdefault(marks[place], place)
        if other == place or (paths and not _same_file(paths[other], paths[place])):
            continue
        try:
            with about(*place):
                raise IntakeError(_told(place, other))
        except IntakeError as error:
            found.append(error)
    return found


def _told(place, other):
    if place[0] == other[0]:
        return (
            f"the same image as {other[1]}, voxel by voxel. Give each phase its own, or empty one cell and see "
            "`substitute_phase`"
        )
    return (
        f"the same image as {other[1]} of {other[0]}, voxel by voxel. It belongs to one patient: correct the "
        "sheet, or remove a row"
    )


def _same_file(one, other):
    """Folders are believed by their mark; files are read whole."""
    if os.path.isdir(one) or os.path.isdir(other):
        return True
    return files.digest(one) == files.digest(other)
