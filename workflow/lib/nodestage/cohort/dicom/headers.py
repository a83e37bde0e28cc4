"""Image planes of axial CT, from the headers of files."""

import hashlib
import logging
import warnings
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
RIGHT_ANGLE = 0.01  # cosine; 0.6°
MAX_SLOPE, MAX_INTERCEPT = 1000, 100_000  # beyond these no stored value is in HU

# Words of ImageType: no image of these has the HU of tissue at its place.
COMPUTED = {
    "MIP", "MAXIP", "MAX_IP", "MAXIMUM", "MINIP", "MIN_IP", "MNIP", "MINIMUM", "SUBTRACTION", "SUBTRACT", "DIVISION",
    "MULTIPLICATION", "STD_DEVIATION", "VNC", "VIRTUAL_NON_CONTRAST", "VIRTUAL_UNENHANCED", "VUE", "IODINE",
    "IODINE_MAP", "ELECTRON_DENSITY", "EFFECTIVE_Z", "PERFUSION",
}  # fmt: skip


class HeaderFault(ValueError):
    """What is wrong with a header, in words that follow "files"."""


# pydicom shows the values that it warns of, and they would reach a log.
warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")
logging.getLogger("pydicom").addHandler(logging.NullHandler())
logging.getLogger("pydicom").propagate = False

TAGS = (
    "SOPClassUID SOPInstanceUID SeriesInstanceUID SeriesNumber SeriesDescription PatientID PatientName "
    "PatientBirthDate PatientSex Modality "
    "StudyInstanceUID FrameOfReferenceUID KVP LossyImageCompression BitsAllocated ModalityLUTSequence "
    "ImageType BurnedInAnnotation AcquisitionNumber TemporalPositionIdentifier AcquisitionTime AcquisitionDateTime "
    "ConvolutionKernel SliceThickness ImagePositionPatient ImageOrientationPatient PixelSpacing Rows Columns "
    "SamplesPerPixel PhotometricInterpretation RescaleSlope RescaleIntercept RescaleType NumberOfFrames "
    "ConcatenationUID SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence InstanceNumber ImagesInAcquisition"
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
    birth: str = ""  # date
    sex: str = ""  # as the header writes it
    sop: str = ""
    lossy: bool = False
    derived: bool = False
    instance_number: int | None = None
    announced: int = 0  # images of the acquisition, as the header counts them
    # What must be the same in all slices of a series, {tag: value or ""}, since HU or place depend on it.
    tags: dict = field(default_factory=dict, compare=False)


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


def stranger(data, kind):
    """Why an image is not an axial CT slice, or ''."""
    if kind == DICOMDIR:
        return "not_an_image"
    if (kind != CT and kind not in ENHANCED) or str(data.get("Modality") or "CT") != "CT":
        return "not_ct"
    words = _words(data.get("ImageType"))
    if "LOCALIZER" in words:
        return "localizer"
    if COMPUTED & set(words):
        return "computed"
    if str(data.get("BurnedInAnnotation") or "").upper() == "YES":
        return "burned_in_text"
    if (
        int(data.get("SamplesPerPixel") or 1) != 1
        or data.get("PhotometricInterpretation", "") == "MONOCHROME1"
    ):
        return "picture"
    if kind == CT:
        if not _is_in_hu(data):
            return "not_in_hu"  # iodine and other material maps
        if not data.get("ImagePositionPatient") or not data.get("ImageOrientationPatient"):
            return "without_position"
        if not data.get("PixelSpacing"):
            return "without_spacing"
        if data.get("ModalityLUTSequence"):
            return "with_a_lookup_table"
    return ""


def _words(value):
    """The words of ImageType or FrameType, in capitals; pydicom gives a single one as text."""
    return [
        str(word).strip().upper() for word in ([value] if isinstance(value, str) else value or [])
    ]


def _is_in_hu(data):
    kind = str(data.get("RescaleType") or "HU").strip().upper()
    return kind in ("HU", "US", "HU_MOD", "UNSPECIFIED")


def is_axial(orientation):
    """Whether six direction cosines lie within 37° of an axial plane."""
    row, column = np.reshape(orientation, (2, 3))
    return abs(np.cross(row, column)[2]) > 0.8  # beyond any gantry's tilt


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


def frame_of(path, data):
    """The `Frame` of a file with one image plane."""
    if int(data.get("NumberOfFrames") or 1) != 1:
        raise HeaderFault("with several frames at one position")
    return _frame(path, data, _single(data))


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
        birth=str(data.get("PatientBirthDate") or ""),
        sex=str(data.get("PatientSex") or "").strip().upper()[:1],
        sop=str(data.get("SOPInstanceUID") or ""),
        lossy=_is_lossy(data),
        derived="DERIVED" in _words(data.get("ImageType"))[:1],
        instance_number=_whole(data.get("InstanceNumber")) if plane.index is None else None,
        announced=_whole(data.get("ImagesInAcquisition")) or 0,
        tags={
            "RescaleSlope": "" if slope is None else "given",
            "RescaleIntercept": "" if intercept is None else "given",
            "RescaleType": str(plane.rescale.get("RescaleType") or "").upper(),
            "KVP": _rounded(plane.kvp),
            "FrameOfReferenceUID": str(data.get("FrameOfReferenceUID") or ""),
            "PatientID": str(data.get("PatientID") or data.get("PatientName") or ""),
            "PatientName": str(data.get("PatientName") or ""),
            "PatientBirthDate": str(data.get("PatientBirthDate") or ""),
            "PatientSex": str(data.get("PatientSex") or ""),
            "StudyInstanceUID": str(data.get("StudyInstanceUID") or ""),
            "ConvolutionKernel": str(kernel or ""),
            "SeriesInstanceUID": str(data.get("SeriesInstanceUID") or ""),
            "SeriesNumber": str(data.get("SeriesNumber") or ""),
        },
    )
    _check_geometry(frame)
    if not (0 < abs(frame.slope) <= MAX_SLOPE and abs(frame.intercept) <= MAX_INTERCEPT):
        raise IntakeError(
            f"the slice at z = {frame.position[2]:.2f} mm has the rescale slope {frame.slope:.3g} and intercept "
            f"{frame.intercept:.3g}, by which no stored value is in HU. Export the series again"
        )
    return frame


def _check_geometry(frame):
    if not np.isfinite([*frame.position, *frame.orientation, *frame.spacing]).all():
        raise HeaderFault("with a place that isn't finite")
    numbers = [len(frame.position), len(frame.orientation), len(frame.spacing)]
    if numbers != [3, 6, 2]:
        raise HeaderFault("with too few or too many numbers in position, orientation or spacing")
    if min(frame.spacing) <= 0:
        raise HeaderFault("with a pixel spacing that isn't above 0")
    row, column = np.reshape(frame.orientation, (2, 3))
    lengths = np.linalg.norm(row) * np.linalg.norm(column)
    if not lengths > 0.5 or abs(row @ column) > RIGHT_ANGLE * lengths:
        raise HeaderFault("with rows and columns that aren't at right angles")


def _whole(value):
    """A count of a header, or None."""
    try:
        return int(str(value))
    except (TypeError, ValueError):
        return None


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


def enhanced_frames(path, data, left_out):
    """Frames of an Enhanced CT file, each placed by its position."""
    shared = (data.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()])[0]
    items = data.get("PerFrameFunctionalGroupsSequence") or []
    if len(items) != int(data.get("NumberOfFrames") or 1):
        raise HeaderFault("with another number of frames than places of frames")
    frames, unplaced = [], 0
    for index, item in enumerate(items):

        def group(name, item=item):
            return (item.get(name) or shared.get(name) or [pydicom.Dataset()])[0]

        words = _words(group("CTImageFrameTypeSequence").get("FrameType"))
        position = group("PlanePositionSequence").get("ImagePositionPatient")
        orientation = group("PlaneOrientationSequence").get("ImageOrientationPatient")
        if "LOCALIZER" in words:
            left_out["localizer"] += 1
        elif COMPUTED & set(words):
            left_out["computed"] += 1
        elif not _is_in_hu(group("PixelValueTransformationSequence")):
            left_out["not_in_hu"] += 1
        elif not position or not orientation:
            left_out["without_position"] += 1
            unplaced += 1
        elif not is_axial(_numbers(orientation)):
            left_out["other_plane"] += 1
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
    if frames and unplaced:
        raise HeaderFault("with frames of which some have no position")
    return frames
