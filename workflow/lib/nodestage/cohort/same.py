"""One image twice in the sheet: as both phases of a patient, or for two patients.

A copy under another name, path or UID is the same image still. Between patients it carries what a
network learned from one into the test of the other.
"""

import gzip
import hashlib
import os
import zlib

import numpy as np

from nodestage.cohort.faults import IntakeError, about, some
from nodestage.core import files

GZIP = b"\x1f\x8b"
CHUNK = 1 << 16  # bytes at each of three positions of a file


def digest(array):
    """Digest of a CT's voxels (z, y, x), whatever file they came in."""
    total = hashlib.sha256(repr(array.shape).encode())
    for plane in array:
        total.update(np.ascontiguousarray(plane).tobytes())
    return total.hexdigest()


def mark_of_file(path):
    """What distinguishes most files, from three short reads: length, beginning, middle, end.

    Of a gzip file, length and checksum of what it holds, which stay when it is compressed again.
    """
    size = os.path.getsize(path)
    total = hashlib.sha256(str(size).encode())
    with open(path, "rb") as handle:
        if handle.read(2) == GZIP and size > 18:
            handle.seek(-8, os.SEEK_END)
            return handle.read().hex()
        for start in (0, size // 2, max(0, size - CHUNK)):
            handle.seek(start)
            total.update(handle.read(CHUNK))
    return total.hexdigest()


def mark_of_series(frames):
    """The same of a DICOM series: how many slices, and the pixels of first, middle and last."""
    from nodestage.cohort.dicom import pixels

    chosen = [frames[0], frames[len(frames) // 2], frames[-1]]
    return repr((len(frames), [pixels.digest(frame) for frame in chosen]))


def check(marks):
    """Raise one `IntakeError` that names every image that is twice in the sheet.

    Parameters
    ----------
    marks : {(patient, phase): what is equal of equal images}
    """
    faults = [str(error) for error in errors(marks)]
    if faults:
        raise IntakeError("\n".join(faults))


def check_persons(records):
    """Raise one `IntakeError` that names every patient whose phases carry two patient IDs.

    Parameters
    ----------
    records : {(patient, phase): the record of that CT, with `person` where it came as DICOM}
    """
    persons = {}
    for (patient, _), record in records.items():
        if record.get("person") is not None:
            persons.setdefault(patient, set()).add(record["person"])
    two = sorted(patient for patient, numbers in persons.items() if len(numbers) > 1)
    if two:
        raise IntakeError(
            f"{some(two)}: arterial and venous carry two patient IDs. Each row is one person: correct a path"
        )


def errors(marks, paths=None):
    """An `IntakeError` for every image that an earlier cell names too, in the order of the codes.

    With `paths`, files of equal marks are compared in full first.
    """
    first, repeated = {}, []
    for image in sorted(marks):
        other = first.setdefault(marks[image], image)
        if other == image or (paths and not _same_file(paths[other], paths[image])):
            continue
        try:
            with about(*image):
                raise IntakeError(_sentence(image, other))
        except IntakeError as error:
            repeated.append(error)
    return repeated


def _sentence(image, other):
    if image[0] == other[0]:
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
    return _digest_unpacked(one) == _digest_unpacked(other)


def _digest_unpacked(path):
    with open(path, "rb") as handle:
        packed = handle.read(2) == GZIP
    if not packed:
        return files.digest(path)
    try:
        with gzip.open(path, "rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except (OSError, EOFError, zlib.error):  # damaged: intake names it
        return files.digest(path)
