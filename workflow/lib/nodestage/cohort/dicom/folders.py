"""The files of a folder: which are slices of CT, which are something else, which are damaged."""

import os
import re
import zlib
from collections import Counter
from dataclasses import dataclass, field

import pydicom

from nodestage.cohort.dicom.headers import (
    CT,
    DEFLATED,
    ENHANCED,
    MAX_DEFLATED,
    MAX_SIDE,
    TAGS,
    HeaderFault,
    enhanced_frames,
    frame_of,
    is_axial,
    looks_like_dicom,
    stranger,
)
from nodestage.cohort.faults import IntakeError
from nodestage.core import files


@dataclass
class Folder:
    """What the files of a folder hold.

    Attributes
    ----------
    frames : list of Frame
    left_out : Counter of reasons, of files and frames that are not slices of axial CT
    rejected : list of Rejected, CT images that can't be placed
    damaged : {what is wrong: list of file names}, of files that look like parts of a copy that broke off
    """

    frames: list = field(default_factory=list)
    left_out: Counter = field(default_factory=Counter)
    rejected: list = field(default_factory=list)
    damaged: dict = field(default_factory=dict)

    def add_damaged(self, what, path):
        """Note a file that looks like part of a copy that broke off."""
        self.damaged.setdefault(what, []).append(os.path.basename(path))


@dataclass(frozen=True)
class Rejected:
    """An image of CT that is left out for what its header lacks."""

    reason: str
    series: str
    shape: tuple


def files_under(path):
    """All files of a folder and its subfolders, links followed, each once and in a fixed order.

    Returns
    -------
    paths : ordinary files
    others : {what: paths} of links that lead nowhere, pipes and devices, and what may not be read
    """
    if not os.path.isdir(path):
        return [str(path)], {}
    paths, others, seen_folders, seen_files = [], {}, set(), set()

    def walk(folder):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen_folders:
            return  # a link to a folder that was read, or back to one above
        seen_folders.add((status.st_dev, status.st_ino))
        for name in sorted(os.listdir(folder)):
            entry = os.path.join(folder, name)
            if os.path.isdir(entry):
                (walk if os.access(entry, os.R_OK | os.X_OK) else unreadable)(entry)
            elif not os.path.exists(entry):
                others.setdefault("links that lead nowhere", []).append(entry)
            elif not files.is_regular(entry):
                others.setdefault("pipes or devices", []).append(entry)
            elif not os.access(entry, os.R_OK):
                unreadable(entry)
            else:
                file = os.stat(entry)
                if (file.st_dev, file.st_ino) not in seen_files:
                    seen_files.add((file.st_dev, file.st_ino))
                    paths.append(entry)

    def unreadable(entry):
        others.setdefault("not readable by this account", []).append(entry)

    walk(str(path))
    return paths, others


def collect(path):
    """Read every header of a folder (or of one file) into a `Folder`."""
    contents = Folder()
    paths, others = files_under(path)
    for what, entries in others.items():
        if what == "pipes or devices":
            contents.left_out["not_a_file"] += len(entries)
            continue
        for entry in entries:
            contents.add_damaged(what, entry)
    blank, unknown = [], []
    for file in paths:
        if looks_like_dicom(file):
            _add_file(file, contents)
        else:
            kind = _blank(file)
            if kind:
                blank.append((kind, file))
            else:
                unknown.append(file)
    suffixes = {_form(frame.path) for frame in contents.frames}
    for file in unknown:
        # What a failed download or another program left in a slice's place.
        if _form(file) in suffixes and not os.path.basename(file).startswith("."):
            contents.add_damaged("named like slices, but not DICOM by their content", file)
        else:
            contents.left_out["not_dicom"] += 1
    for kind, file in blank:
        # An empty .nomedia says nothing; an empty file named like the slices was one.
        if kind == "zeros throughout" or _form(file) in suffixes:
            contents.add_damaged(kind, file)
        else:
            contents.left_out["not_dicom"] += 1
    return contents


def _form(path):
    """A file's suffix, or without one its name with digits left out."""
    stem, suffix = os.path.splitext(os.path.basename(path))
    if suffix and not suffix[1:].isdigit():
        return suffix.lower()
    return (
        "".join("#" if c.isdigit() or c == "." else c for c in stem + suffix)
        .replace("##", "#")
        .strip("#")
    )


def _blank(path):
    """What a file without content is, or ''."""
    size = os.path.getsize(path)
    if size == 0:
        return "empty"
    with open(path, "rb") as handle:
        start = handle.read(4096)
    return "zeros throughout" if not any(start) else ""


def _add_file(path, contents):
    """Add one DICOM file's axial CT planes to a `Folder`, or why it has none."""
    data = None
    try:
        if not unpacks_within_bounds(path):
            contents.add_damaged("deflated beyond any image", path)
            return
        data = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=TAGS, force=True)
        kind = data.get("SOPClassUID", "") or getattr(data.file_meta, "MediaStorageSOPClassUID", "")
        if not kind or (kind == CT and not data.get("Rows")):
            raise _CutShort  # within the header
        reason = stranger(data, kind)
        if reason:
            _reject(contents, reason, data, kind)
            return
        if kind in ENHANCED:
            contents.frames += enhanced_frames(path, data, contents.left_out)
            return
        _check_complete(path, data)
        frame = frame_of(path, data)
        axial = is_axial(frame.orientation)
    except IntakeError:
        raise
    except HeaderFault as error:
        contents.add_damaged(str(error), path)
        return
    except _CutShort:
        contents.add_damaged("cut short", path)
        return
    except Exception:
        # pydicom raises what a broken header leads it to, by a dozen names.
        comma = _with_decimal_comma(data)
        what = f"with a decimal comma in {comma}" if comma else "with a header that can't be read"
        contents.add_damaged(what, path)
        return
    if axial:
        contents.frames.append(frame)
    else:
        contents.left_out["other_plane"] += 1


# Numbers of a header that are text, and that some exports write with a comma.
DECIMALS = (
    "PixelSpacing",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "RescaleSlope",
    "RescaleIntercept",
    "SliceThickness",
)


def _with_decimal_comma(data):
    """The tag whose number has a decimal comma, or ''."""
    for tag in DECIMALS:
        element = data.get_item(tag) if data is not None and tag in data else None
        value = getattr(element, "value", b"") or b""
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        if re.search("[0-9],[0-9]", text):
            return tag
    return ""


class _CutShort(Exception):
    """A file ends before its pixels do."""


def _reject(contents, reason, data, kind):
    contents.left_out[reason] += 1
    if kind == CT and reason in MATTERS:
        shape = (data.get("Rows"), data.get("Columns"))
        contents.rejected.append(Rejected(reason, str(data.get("SeriesInstanceUID") or ""), shape))


# Reasons for which a slice of the series itself could be left out, and how the message puts them.
MATTERS = {
    "without_position": "no position or orientation",
    "without_spacing": "no pixel spacing",
    "not_in_hu": "a rescale type other than HU",
    "burned_in_text": "burned-in text",
    "picture": "colors, or gray turned round",
    "computed": "a word in ImageType for a projection, subtraction or map",
    "with_a_lookup_table": "a modality lookup table in place of rescale slope and intercept",
}


def unpacks_within_bounds(path):
    """Whether a deflated file stays below `MAX_DEFLATED`; pydicom would unpack it whole."""
    with open(path, "rb") as handle:
        if DEFLATED.encode() not in handle.read(2000):
            return True
        handle.seek(0)
        meta = pydicom.filereader.read_partial(handle, stop_when=lambda *_: True)
        if getattr(meta.file_meta, "TransferSyntaxUID", "") != DEFLATED:
            return True
        handle.seek(0)
        pydicom.filereader.read_preamble(handle, force=True)
        pydicom.filereader._read_file_meta_info(handle)
        unpack, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while chunk := handle.read(1 << 16):
            while chunk:
                size += len(unpack.decompress(chunk, 1 << 24))
                chunk = unpack.unconsumed_tail
                if size > MAX_DEFLATED:
                    return False
    return True


def _check_complete(path, data):
    """Raise unless an uncompressed file is long enough for its pixels."""
    rows, columns = int(data.Rows), int(data.Columns)
    if not 0 < rows <= MAX_SIDE or not 0 < columns <= MAX_SIDE:
        raise IntakeError(
            f"a header announces {rows} × {columns} pixels, at most {MAX_SIDE} are read. Export it again"
        )
    syntax = getattr(getattr(data, "file_meta", None), "TransferSyntaxUID", None)
    plain = syntax is None or (
        syntax.is_transfer_syntax and not syntax.is_compressed and not syntax.is_deflated
    )
    if plain and os.path.getsize(path) < rows * columns * (
        int(data.get("BitsAllocated") or 8) // 8
    ):
        raise _CutShort
