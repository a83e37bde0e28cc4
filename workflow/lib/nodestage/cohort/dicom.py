"""DICOM folders: which images are the CT asked for, and how its slices lie.

Nothing is taken from names or instance numbers: series are told apart by what the
headers say, slices are ordered by position, and a series passes only if its slices
are evenly spaced. Text from the headers is used to decide and leaves this module
only in `IntakeError.full`, for the terminal.
"""

import os
import re
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import pydicom

from nodestage.cohort import pixels
from nodestage.cohort.faults import IntakeError, some

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
DICOMDIR = "1.2.840.10008.1.3.10"
SAME_PLACE_MM = 0.01
EVEN = 0.1  # of the spacing; a missing slice gives at least 0.4
ROUNDED_MM = 0.06  # positions written with one decimal
SIDEWAYS_MM = 0.1

TAGS = (
    "SOPClassUID SOPInstanceUID SeriesInstanceUID SeriesNumber SeriesDescription PatientID PatientName Modality "
    "ImageType BurnedInAnnotation AcquisitionNumber TemporalPositionIdentifier AcquisitionTime AcquisitionDateTime "
    "ConvolutionKernel SliceThickness ImagePositionPatient ImageOrientationPatient PixelSpacing Rows Columns "
    "SamplesPerPixel PhotometricInterpretation RescaleSlope RescaleIntercept RescaleType NumberOfFrames "
    "ConcatenationUID SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence"
).split()

# A kernel's name may be said only if it is one: these are the makers' own.
KERNEL = re.compile(
    r"(FC\d\d(-?[A-Z]{1,2})?|[A-Z][a-z]{0,2}\d{2}[a-z]?(\\\d)?|[A-Z]{1,2}|B_(V?SOFT|V?SHARP|SMOOTH)_[A-D]{1,2}"
    r"|(SOFT|SHARP|SMOOTH|STANDARD|STND|BONE|BONEPLUS|LUNG|DETAIL|EDGE|CHST|ULTRA)(\d| ?PLUS)?)",
    re.IGNORECASE,
)


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


@dataclass
class Series:
    """Frames with one orientation, matrix, spacing, kernel, sorted by position."""

    frames: list
    merged: int = 0  # copies left out
    notes: dict = field(default_factory=dict)

    @property
    def normal(self):
        row, column = np.reshape(self.frames[0].orientation, (2, 3))
        normal = np.cross(row, column)
        return normal / np.linalg.norm(normal)

    def places(self):
        """Distance of each frame along the normal, mm."""
        return np.array([f.position for f in self.frames]) @ self.normal

    @property
    def step(self):
        """Distance from slice to slice, mm."""
        return float(np.median(np.diff(self.places()))) if len(self.frames) > 1 else float("nan")

    def sort(self):
        order = np.argsort(self.places(), kind="stable")
        self.frames = [self.frames[i] for i in order]
        return self


def files_under(path):
    """All files of a folder and its subfolders, in a fixed order; or the one file."""
    if os.path.isfile(path):
        return [str(path)]
    found = []
    for folder, inner, names in os.walk(path):
        inner.sort()
        found += [os.path.join(folder, name) for name in sorted(names)]
    return found


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


def find(path, choice="", facts=None):
    """The one CT series of a folder, sorted, evenly spaced, free of copies.

    Parameters
    ----------
    path : folder, or a file
    choice : the sheet's `series` cell: a series number, `#2` for the second of the list
        in the message, a series instance UID, or the exact series description
    facts : dict that takes the counts of what was left out
    """
    facts = {} if facts is None else facts
    left_out = Counter()
    frames = []
    for name in files_under(path):
        frames += _frames(name, left_out)
    candidates = _group(frames)
    if choice and not choice.startswith("#"):
        candidates = _named(candidates, choice)
    candidates = _drop_strays(candidates, left_out)
    if left_out:
        facts["left_out"] = dict(sorted(left_out.items()))
    if not candidates:
        raise IntakeError(_nothing(left_out, path))
    patients = len({series.frames[0].patient for series in candidates})
    if patients > 1:
        raise IntakeError(
            f"images of {patients} patients in one folder ({some(len(s.frames) for s in candidates)} slices). "
            "Give each patient a folder of its own"
        )
    candidates = _merge_copies([part for series in candidates for part in _split(series)])
    if len(candidates) > 1:
        candidates.sort(
            key=lambda s: (_as_number(s.frames[0].number), s.frames[0].splits, s.frames[0].series)
        )
        series = _chosen(candidates, choice)
    else:
        series = candidates[0]
    if series.merged:
        facts["copies_dropped"] = series.merged
    facts["slices"] = len(series.frames)
    return series


def _frames(path, left_out):
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
        orientation = data.ImageOrientationPatient
        frame = _frame(
            path, None, data, data.ImagePositionPatient, orientation, data.PixelSpacing, data
        )
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
    """Why an image is no axial CT slice, or ''."""
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


def _frame(
    path,
    index,
    data,
    position,
    orientation,
    spacing,
    rescale,
    kernel=None,
    thickness=None,
    splits=None,
):
    multiframe = index is not None
    kernel = data.get("ConvolutionKernel") if kernel is None else kernel
    kernel = (
        "\\".join(kernel)
        if isinstance(kernel, list | pydicom.multival.MultiValue)
        else str(kernel or "")
    )
    thickness = data.get("SliceThickness") if thickness is None else thickness
    slope, intercept = rescale.get("RescaleSlope"), rescale.get("RescaleIntercept")
    frame = Frame(
        path=path,
        index=index,
        position=_numbers(position),
        orientation=_numbers(orientation),
        spacing=_numbers(spacing),
        shape=(int(data.Rows), int(data.Columns)),
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
        thickness=float(thickness or "nan"),
        kernel=kernel,
        series=str(data.get("SeriesInstanceUID") or ""),
        number=str(data.get("SeriesNumber") if data.get("SeriesNumber") is not None else ""),
        description=str(data.get("SeriesDescription") or ""),
        patient=str(data.get("PatientID") or data.get("PatientName") or ""),
        instance=str(data.get("ConcatenationUID") or data.get("SOPInstanceUID"))
        if multiframe
        else "",
        splits=splits
        or (
            str(data.get("AcquisitionNumber") or ""),
            str(data.get("TemporalPositionIdentifier") or ""),
            str(data.get("AcquisitionDateTime") or data.get("AcquisitionTime") or ""),
        ),
    )
    if not np.isfinite(
        [*frame.position, *frame.orientation, *frame.spacing, frame.slope, frame.intercept]
    ).all():
        raise ValueError("a number of the geometry is not finite")
    return frame


def _enhanced(path, data, left_out):
    """Frames of an Enhanced CT file, each with its own position."""
    shared = (data.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()])[0]
    frames = []
    for index, own in enumerate(data.get("PerFrameFunctionalGroupsSequence") or []):

        def group(name, own=own):
            return (own.get(name) or shared.get(name) or [pydicom.Dataset()])[0]

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
                    index,
                    data,
                    position,
                    orientation,
                    measures.PixelSpacing,
                    group("PixelValueTransformationSequence"),
                    group("CTReconstructionSequence").get("ConvolutionKernel") or "",
                    measures.get("SliceThickness") or 0,
                    (
                        str(content.get("FrameAcquisitionNumber") or ""),
                        str(content.get("TemporalPositionIndex") or ""),
                        # A frame's own time differs from slice to slice; the stack is what parts volumes.
                        str(content.get("StackID") or ""),
                    ),
                )
            )
    return frames


def _group(frames):
    """Frames that could be one volume: same series, patient, matrix, plane, spacing, kernel."""
    groups = {}
    for frame in frames:
        key = (frame.series, frame.patient, frame.shape, frame.kernel, frame.instance)
        for series in groups.setdefault(key, []):
            first = series.frames[0]
            if np.allclose(first.orientation, frame.orientation, atol=1e-3) and np.allclose(
                first.spacing, frame.spacing, atol=1e-4
            ):
                series.frames.append(frame)
                break
        else:
            groups[key].append(Series([frame]))
    return [series.sort() for found in groups.values() for series in found]


def _distinct(series):
    """Frames by place: a list of lists, ascending."""
    places, groups = series.places(), []
    for place, frame in zip(places, series.frames, strict=True):
        if groups and place - groups[-1][0] <= SAME_PLACE_MM:
            groups[-1][1].append(frame)
        else:
            groups.append((place, [frame]))
    return groups


def _drop_strays(candidates, left_out):
    """Without bolus-tracking slices and other pieces of one or two positions."""
    whole = [series for series in candidates if len(_distinct(series)) >= 3]
    strays = sum(len(s.frames) for s in candidates) - sum(len(s.frames) for s in whole)
    if strays:
        left_out["pieces_of_one_or_two_slices"] += strays
    return whole


def _split(series):
    """One series with two images at each place: copies dropped, phases taken apart."""
    groups = _distinct(series)
    if all(len(found) == 1 for _, found in groups):
        return [series]
    differing = []
    for place, found in groups:
        if len({pixels.digest(frame) for frame in found}) > 1:
            differing.append(place)
    if not differing:
        kept = [found[0] for _, found in groups]
        return [Series(kept, merged=len(series.frames) - len(kept))]
    for rank in range(3):
        parts = {}
        for frame in series.frames:
            parts.setdefault(frame.splits[rank], []).append(frame)
        parts = [Series(frames).sort() for frames in parts.values()]
        counts = [len(_distinct(part)) for part in parts]
        # Whole volumes of about one size are phases; a handful of slices is a mixed-up series.
        if len(parts) > 1 and min(counts) >= 3 and min(counts) >= 0.8 * max(counts):
            if all(len(part.frames) == n for part, n in zip(parts, counts, strict=True)):
                return parts
    raise IntakeError(_two_images(differing, len(groups)))


def _two_images(differing, total):
    return (
        f"two different images at {len(differing)} of {total} positions "
        f"(z = {some(f'{place:.2f}' for place in differing)} mm along the slices' normal). "
        "Export the series again, and remove the copy that is not meant"
    )


def _merge_copies(candidates):
    """Whole copies under other UIDs become one; nearly equal ones are an error."""
    kept = []
    for series in candidates:
        for other in kept:
            shared, differing = _compare(other, series)
            if shared and not differing and shared == min(len(other.frames), len(series.frames)):
                longer, shorter = sorted((other, series), key=lambda s: -len(s.frames))
                kept[kept.index(other)] = replace(
                    longer, merged=other.merged + series.merged + len(shorter.frames)
                )
                break
            if shared and 0 < len(differing) < shared / 2:
                raise IntakeError(_two_images(differing, shared))
        else:
            kept.append(series)
    return kept


def _compare(a, b):
    """How many places two series share, and those where their pixels differ."""
    first, second = a.frames[0], b.frames[0]
    same = (
        first.shape == second.shape
        and first.kernel == second.kernel
        and np.isclose(first.thickness, second.thickness, equal_nan=True)
        and np.isclose(a.step, b.step, rtol=0.2)
    )
    if not same or not (
        np.allclose(first.orientation, second.orientation, atol=1e-3)
        and np.allclose(first.spacing, second.spacing, atol=1e-4)
    ):
        return 0, []

    def key(frame):  # + 0.0 turns −0 into 0
        return (np.round(frame.position, 1) + 0.0).tobytes()

    theirs = {key(frame): frame for frame in b.frames}
    pairs = [(frame, theirs[key(frame)]) for frame in a.frames if key(frame) in theirs]
    if len(pairs) < 0.5 * min(len(a.frames), len(b.frames)):
        return 0, []
    differing = [
        float(np.dot(frame.position, a.normal))
        for frame, other in pairs
        if pixels.digest(frame) != pixels.digest(other)
    ]
    return len(pairs), differing


def _as_number(text):
    return int(text) if text.lstrip("-").isdigit() else 10**9


def _named(candidates, choice):
    """Candidates whose series number, UID or description is `choice`."""
    for of in (lambda f: f.number, lambda f: f.series, lambda f: f.description.strip().lower()):
        found = [s for s in candidates if of(s.frames[0]) in (choice, choice.lower())]
        if found:
            return found
    numbers = sorted({s.frames[0].number or "(none)" for s in candidates}, key=_as_number)
    raise IntakeError(
        f"no axial CT series is {'number ' + choice if choice.isdigit() else 'as its `series` cell says'}; "
        f"there are the series numbers {some(numbers)}. Correct the sheet's `series` cell",
        _listing(candidates, private=True),
    )


def _chosen(candidates, choice):
    if choice.startswith("#"):
        rank = choice[1:].strip()
        if rank.isdigit() and 1 <= int(rank) <= len(candidates):
            return candidates[int(rank) - 1]
    mend = (
        "Write the one that is meant into the sheet's column `series` (or `arterial_series`, `venous_series`): "
        "its series number, or '#' and its place in this list"
    )
    raise IntakeError(
        f"{len(candidates)} CT series in one folder:\n{_listing(candidates)}\n    {mend}",
        _listing(candidates, private=True),
    )


def _listing(candidates, private=False):
    lines = []
    for rank, series in enumerate(candidates, start=1):
        frame = series.frames[0]
        kernel = (
            frame.kernel
            if private or KERNEL.fullmatch(frame.kernel)
            else ("unlisted" if frame.kernel else "not given")
        )
        number = frame.number if frame.number.lstrip("-").isdigit() else "(none)"
        line = (
            f"    #{rank}: series number {number}, {len(series.frames)} slices, {series.step:.4g} mm apart, "
            f"{frame.thickness:.4g} mm thick, kernel {kernel}"
        )
        lines.append(line + (f", description {frame.description!r}" if private else ""))
    return "\n".join(lines)


def _nothing(left_out, path):
    words = ", ".join(
        f"{count} × {reason.replace('_', ' ')}" for reason, count in sorted(left_out.items())
    )
    where = "folder" if os.path.isdir(path) else "file"
    return f"no axial CT in the {where} ({words or 'it is empty'}). Give the folder of the axial series"


def affine(series, facts):
    """The affine (indices (i, j, k) to LPS mm) of a series whose slices lie evenly.

    Raises on gaps, uneven spacing and slices shifted sideways. The step from slice to
    slice comes from the positions; a tilted gantry shows in it, whatever the tilt tag says.
    """
    frames, places = series.frames, series.places()
    _check_even(places)
    positions = np.array([frame.position for frame in frames])
    # A line through all positions: rounding in the first or last one does not count.
    number = np.arange(len(frames))
    vector, start = np.polyfit(number, positions, 1)
    off = positions - start - np.outer(number, vector)
    sideways = np.linalg.norm(off - np.outer(off @ series.normal, series.normal), axis=1)
    if sideways.max() > SIDEWAYS_MM:
        worst = int(sideways.argmax())
        raise IntakeError(
            f"slice {worst + 1} of {len(frames)} (z = {places[worst]:.2f} mm) lies {sideways[worst]:.1f} mm "
            "beside the line through all. Export the series again"
        )
    tilt = float(
        np.degrees(
            np.arccos(np.clip(np.dot(vector, series.normal) / np.linalg.norm(vector), -1, 1))
        )
    )
    if tilt > 0.05:
        facts["gantry_tilt_deg"] = round(tilt, 2)
    row, column = np.reshape(frames[0].orientation, (2, 3))
    matrix = np.eye(4)
    matrix[:3, 0] = row / np.linalg.norm(row) * frames[0].spacing[1]
    matrix[:3, 1] = column / np.linalg.norm(column) * frames[0].spacing[0]
    matrix[:3, 2] = vector
    matrix[:3, 3] = start
    return matrix


def _check_even(places):
    """Raise unless the places (ascending, mm) are evenly spaced but for rounding."""
    steps = np.diff(places)
    step = float(np.median(steps))
    number = np.arange(len(places))
    slope, start = np.polyfit(number, places, 1)
    off = np.abs(places - start - slope * number)
    slack = min(max(EVEN * step, ROUNDED_MM), 0.2 * step)
    if off.max() <= slack and np.abs(steps - slope).max() <= 2 * slack:
        return
    odd = np.flatnonzero(np.abs(steps - step) > 2 * slack)
    whole = np.abs(steps / step - np.rint(steps / step)) < 0.2
    if len(odd) and whole[odd].all() and len(odd) <= 0.25 * len(steps):
        missing = np.rint(steps[odd] / step).astype(int) - 1
        where = some(
            f"{n} between z = {places[i]:.2f} and {places[i + 1]:.2f} mm"
            for i, n in zip(odd, missing, strict=True)
        )
        raise IntakeError(
            f"{int(missing.sum())} {'slice' if missing.sum() == 1 else 'slices'} missing: {where} "
            f"(slices are {step:.4g} mm apart). Export the series again"
        )
    turn = int(odd[0]) if len(odd) else int(off.argmax())
    raise IntakeError(
        f"uneven slices: {steps.min():.4g} to {steps.max():.4g} mm apart (expected {step:.4g} mm), the first odd "
        f"step at z = {places[turn]:.2f} mm. Export a series with one spacing, or the two parts apart"
    )
