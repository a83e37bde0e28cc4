"""Image planes of axial CT, from the headers of files."""

import os
from dataclasses import dataclass

import numpy as np
import pydicom

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
DICOMDIR = "1.2.840.10008.1.3.10"

TAGS = (
    "SOPClassUID SOPInstanceUID SeriesInstanceUID SeriesNumber SeriesDescription PatientID PatientName Modality "
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


def files_under(path):
    """All files of a folder and its subfolders, in a fixed order; or the one file."""
    if os.path.isfile(path):
        return [str(path)]
    paths = []
    for folder, inner, names in os.walk(path):
        inner.sort()
        paths += [os.path.join(folder, name) for name in sorted(names)]
    return paths


def looks_like_dicom(path):
    """By content: the word DICM, or a first element of group 2 or 8 (exports without preamble)."""
    try:
        with open(path, "rb") as handle:
            start = handle.read(132)
    except OSError:
        return False
    if start[128:132] == b"DICM":
        return True
    group, element = int.from_bytes(start[:2], "little"), int.from_bytes(start[2:4], "little")
    return group in (2, 8) and element in (0x0000, 0x0001, 0x0005, 0x0008, 0x0016)


def frames_of(path, left_out):
    """Axial CT planes of one file, a list of `Frame`; others are counted by reason in `left_out`."""
    if not looks_like_dicom(path):
        left_out["not_dicom"] += 1
        return []
    try:
        data = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=TAGS, force=True)
        kind = data.get("SOPClassUID", "") or getattr(data.file_meta, "MediaStorageSOPClassUID", "")
        reason = _stranger(data, kind)
        if reason:
            left_out[reason] += 1
            return []
        if kind in ENHANCED:
            return _enhanced(path, data, left_out)
        frame = _frame(path, data, _single(data))
    except Exception:
        # pydicom raises what a broken header leads it to, by a dozen names.
        # A header that can't be understood is no slice we could place; should it have
        # been one of the series, the gap that it leaves is an error by itself.
        left_out["unreadable_header"] += 1
        return []
    if not _is_axial(frame.orientation):
        left_out["other_plane"] += 1
        return []
    return [frame]


def _stranger(data, kind):
    """Why an image is not an axial CT slice, or ''."""
    if kind == DICOMDIR or not kind:
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
    )
    if not np.isfinite(
        [*frame.position, *frame.orientation, *frame.spacing, frame.slope, frame.intercept]
    ).all():
        raise ValueError("a number of the geometry is not finite")
    return frame


def _enhanced(path, data, left_out):
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
            left_out["localizer"] += 1
        elif not position or not orientation:
            left_out["without_position"] += 1
        elif not _is_axial(_numbers(orientation)):
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
    return frames
