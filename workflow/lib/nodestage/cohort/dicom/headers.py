"""Image planes of axial CT, from the headers of files."""

import hashlib
import logging
import os
import warnings
import zlib
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pydicom

from nodestage.cohort.faults import IntakeError
from nodestage.core import files

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
DICOMDIR = "1.2.840.10008.1.3.10"
DEFLATED = "1.2.840.10008.1.2.1.99"
MAX_DEFLATED = 1_000_000_000  # bytes that a deflated file may unpack to
MAX_SIDE = 8192  # rows or columns
MAX_SLOPE, MAX_INTERCEPT = 1000, 100_000  # beyond these no stored value is in HU

# pydicom shows the values that it warns of, and they would reach a log.
warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")
logging.getLogger("pydicom").addHandler(logging.NullHandler())
logging.getLogger("pydicom").propagate = False

TAGS = (
    "SOPClassUID SOPInstanceUID SeriesInstanceUID SeriesNumber SeriesDescription PatientID PatientName Modality "
    "StudyInstanceUID FrameOfReferenceUID KVP LossyImageCompression BitsAllocated ModalityLUTSequence "
    "ImageType BurnedInAnnotation AcquisitionNumber TemporalPositionIdentifier AcquisitionTime AcquisitionDateTime "
    "ConvolutionKernel SliceThickness ImagePositionPatient ImageOrientationPatient PixelSpacing Rows Columns "
    "SamplesPerPixel PhotometricInterpretation RescaleSlope RescaleIntercept RescaleType NumberOfFrames "
    "ConcatenationUID SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence"
).split()


@dataclass(frozen=True)
class Frame:
    """One image plane; geometry in mm, LPS."""

    path: str
    index: int | None  # frame number in a multi-frame file
    position: tuple
    orientation: tuple
    spacing: tuple  # between rows, between columns
    shape: tuple  # rows, columns
    slope: float
    intercept: float
    thickness: float
    kernel: str
    series: str
    number: str
    description: str
    patient: str
    instance: str  # what else keeps volumes apart: a multi-frame file
    splits: tuple  # acquisition, temporal position, time: how mixed phases differ
    study: str = ""
    lossy: bool = False
    # What must be the same in all slices of a series, {tag: value or ""}, since HU or place depend on it.
    tags: dict = field(default_factory=dict, compare=False)


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
        place = os.stat(folder)
        if (place.st_dev, place.st_ino) in seen_folders:
            return  # a link to a folder that was read, or back to one above
        seen_folders.add((place.st_dev, place.st_ino))
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
    found = Folder()
    paths, others = files_under(path)
    for what, entries in others.items():
        if what == "pipes or devices":
            found.left_out["not_a_file"] += len(entries)
            continue
        for entry in entries:
            found.add_damaged(what, entry)
    blank = []
    for file in paths:
        if looks_like_dicom(file):
            _add_file(file, found)
        else:
            kind = _blank(file)
            if kind:
                blank.append((kind, file))
            else:
                found.left_out["not_dicom"] += 1
    suffixes = {_form(frame.path) for frame in found.frames}
    for kind, file in blank:
        # An empty .nomedia says nothing; an empty file named like the slices was one.
        if kind == "zeros throughout" or _form(file) in suffixes:
            found.add_damaged(kind, file)
        else:
            found.left_out["not_dicom"] += 1
    return found


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


def looks_like_dicom(path):
    """By content: the word DICM, or a first element of group 2 or 8 (exports without preamble)."""
    if not files.is_regular(path):
        return False
    try:
        with open(path, "rb") as handle:
            start = handle.read(132)
    except OSError:
        return False
    if start[128:132] == b"DICM":
        return True
    group, element = int.from_bytes(start[:2], "little"), int.from_bytes(start[2:4], "little")
    return group in (2, 8) and element in (0x0000, 0x0001, 0x0005, 0x0008, 0x0016)


def _add_file(path, found):
    """Add one DICOM file's axial CT planes to a `Folder`, or why it has none."""
    try:
        if not _unpacks_within_bounds(path):
            found.add_damaged("deflated beyond any image", path)
            return
        data = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=TAGS, force=True)
        kind = data.get("SOPClassUID", "") or getattr(data.file_meta, "MediaStorageSOPClassUID", "")
        if not kind or (kind == CT and not data.get("Rows")):
            raise _CutShort  # within the header
        reason = _stranger(data, kind)
        if reason:
            _reject(found, reason, data, kind)
            return
        if kind in ENHANCED:
            found.frames += _enhanced(path, data, found)
            return
        _check_complete(path, data)
        frame = _frame(path, data, _single(data))
    except IntakeError:
        raise
    except _CutShort:
        found.add_damaged("cut short", path)
        return
    except Exception:
        # pydicom raises what a broken header leads it to, by a dozen names.
        found.add_damaged("with a header that can't be read", path)
        return
    if _is_axial(frame.orientation):
        found.frames.append(frame)
    else:
        found.left_out["other_plane"] += 1


class _CutShort(Exception):
    """A file ends before its pixels do."""


def _reject(found, reason, data, kind):
    found.left_out[reason] += 1
    if kind == CT and reason in MATTERS:
        shape = (data.get("Rows"), data.get("Columns"))
        found.rejected.append(Rejected(reason, str(data.get("SeriesInstanceUID") or ""), shape))


# Reasons for which a slice of the series itself could be left out, and what the message says of them.
MATTERS = {
    "without_position": "no position or orientation",
    "without_spacing": "no pixel spacing",
    "not_in_hu": "a rescale type other than HU",
    "burned_in_text": "burned-in text",
    "picture": "colors, or gray turned round",
    "with_a_lookup_table": "a modality lookup table in place of rescale slope and intercept",
}


def _unpacks_within_bounds(path):
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


def _stranger(data, kind):
    """Why an image is not an axial CT slice, or ''."""
    if kind == DICOMDIR:
        return "not_an_image"
    if kind != CT and kind not in ENHANCED:
        return "not_ct"
    if "LOCALIZER" in [str(word).upper() for word in (data.get("ImageType") or [])]:
        return "localizer"
    if str(data.get("BurnedInAnnotation") or "").upper() == "YES":
        return "burned_in_text"
    if (
        int(data.get("SamplesPerPixel") or 1) != 1
        or data.get("PhotometricInterpretation", "") == "MONOCHROME1"
    ):
        return "picture"
    if kind == CT:
        if str(data.get("RescaleType") or "HU").upper() not in (
            "HU",
            "US",
            "HU_MOD",
            "UNSPECIFIED",
        ):
            return "not_in_hu"  # iodine and other material maps
        if not data.get("ImagePositionPatient") or not data.get("ImageOrientationPatient"):
            return "without_position"
        if not data.get("PixelSpacing"):
            return "without_spacing"
        if data.get("ModalityLUTSequence"):
            return "with_a_lookup_table"
    return ""


def _is_axial(orientation):
    row, column = np.reshape(orientation, (2, 3))
    return abs(np.cross(row, column)[2]) > 0.8  # 37°, beyond any gantry's tilt


def _numbers(values):
    return tuple(float(v) for v in values)


@dataclass(frozen=True)
class _Plane:
    """What a single-frame file has at its top and a multi-frame file in its functional groups."""

    position: list
    orientation: list
    spacing: list
    rescale: pydicom.Dataset
    kernel: object
    thickness: object
    splits: tuple
    index: int | None = None
    kvp: object = ""


def _single(data):
    return _Plane(
        data.ImagePositionPatient,
        data.ImageOrientationPatient,
        data.PixelSpacing,
        data,
        data.get("ConvolutionKernel"),
        data.get("SliceThickness"),
        (
            str(data.get("AcquisitionNumber") or ""),
            str(data.get("TemporalPositionIdentifier") or ""),
            str(data.get("AcquisitionDateTime") or data.get("AcquisitionTime") or ""),
        ),
        kvp=data.get("KVP"),
    )


def _frame(path, data, plane):
    """A `Frame` from a file's data set and one of its planes."""
    kernel = plane.kernel
    if isinstance(kernel, list | pydicom.multival.MultiValue):
        kernel = "\\".join(kernel)
    slope, intercept = (plane.rescale.get(f"Rescale{name}") for name in ("Slope", "Intercept"))
    frame = Frame(
        path=path,
        index=plane.index,
        position=_numbers(plane.position),
        orientation=_numbers(plane.orientation),
        spacing=_numbers(plane.spacing),
        shape=(int(data.Rows), int(data.Columns)),
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
        thickness=float(plane.thickness or "nan"),
        kernel=str(kernel or ""),
        series=str(data.get("SeriesInstanceUID") or ""),
        number=str(data.get("SeriesNumber") if data.get("SeriesNumber") is not None else ""),
        description=str(data.get("SeriesDescription") or ""),
        patient=str(data.get("PatientID") or data.get("PatientName") or ""),
        instance=str(data.get("ConcatenationUID") or data.get("SOPInstanceUID"))
        if plane.index is not None
        else "",
        splits=plane.splits,
        study=str(data.get("StudyInstanceUID") or ""),
        lossy=_is_lossy(data),
        tags={
            "RescaleSlope": "" if slope is None else "given",
            "RescaleIntercept": "" if intercept is None else "given",
            "RescaleType": str(plane.rescale.get("RescaleType") or "").upper(),
            "KVP": _rounded(plane.kvp),
            "FrameOfReferenceUID": str(data.get("FrameOfReferenceUID") or ""),
            "PatientID": str(data.get("PatientID") or data.get("PatientName") or ""),
            "StudyInstanceUID": str(data.get("StudyInstanceUID") or ""),
            "ConvolutionKernel": str(kernel or ""),
            "SeriesInstanceUID": str(data.get("SeriesInstanceUID") or ""),
            "SeriesNumber": str(data.get("SeriesNumber") or ""),
        },
    )
    if not np.isfinite([*frame.position, *frame.orientation, *frame.spacing]).all():
        raise ValueError("a number of the geometry is not finite")
    if not (0 < abs(frame.slope) <= MAX_SLOPE and abs(frame.intercept) <= MAX_INTERCEPT):
        raise IntakeError(
            f"the slice at z = {frame.position[2]:.2f} mm has the rescale slope {frame.slope:.3g} and intercept "
            f"{frame.intercept:.3g}, by which no stored value is in HU. Export the series again"
        )
    return frame


# JPEG, near-lossless JPEG-LS, JPEG 2000 and High-Throughput JPEG 2000 where they may lose.
LOSSY = {f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 81, 91, 93, 203)}


def _is_lossy(data):
    syntax = getattr(getattr(data, "file_meta", None), "TransferSyntaxUID", "")
    # Syntaxes that may lose are also used without loss: then the tag says 00.
    tag = str(data.get("LossyImageCompression") or "")
    return tag == "01" or (
        syntax in LOSSY
        and (tag != "00" or syntax in ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"))
    )


def _rounded(value):
    try:
        return f"{float(value):.0f}"
    except (TypeError, ValueError):
        return ""


def digest_of(text):
    """A number from 0 to 4095 by which two identifiers are compared: too short to tell any of them."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:2], "big") >> 4 if text else None


def _enhanced(path, data, found):
    """Frames of an Enhanced CT file, each placed by its position."""
    shared = (data.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()])[0]
    frames = []
    for index, item in enumerate(data.get("PerFrameFunctionalGroupsSequence") or []):

        def group(name, item=item):
            return (item.get(name) or shared.get(name) or [pydicom.Dataset()])[0]

        kind = group("CTImageFrameTypeSequence").get("FrameType") or []
        position = group("PlanePositionSequence").get("ImagePositionPatient")
        orientation = group("PlaneOrientationSequence").get("ImageOrientationPatient")
        if "LOCALIZER" in [str(word).upper() for word in kind]:
            found.left_out["localizer"] += 1
        elif not position or not orientation:
            found.left_out["without_position"] += 1
        elif not _is_axial(_numbers(orientation)):
            found.left_out["other_plane"] += 1
        else:
            measures, content = group("PixelMeasuresSequence"), group("FrameContentSequence")
            frames.append(
                _frame(
                    path,
                    data,
                    _Plane(
                        position,
                        orientation,
                        measures.PixelSpacing,
                        group("PixelValueTransformationSequence"),
                        group("CTReconstructionSequence").get("ConvolutionKernel") or "",
                        measures.get("SliceThickness") or 0,
                        (
                            str(content.get("FrameAcquisitionNumber") or ""),
                            str(content.get("TemporalPositionIndex") or ""),
                            # A frame's time differs from slice to slice; the stack separates volumes.
                            str(content.get("StackID") or ""),
                        ),
                        index,
                    ),
                )
            )
    return frames
