"""Planes that make one volume: separated from others, phases separated, copies dropped."""

import itertools
from dataclasses import dataclass, field, replace

import numpy as np

from nodestage.cohort.dicom import pixels
from nodestage.cohort.faults import IntakeError, some

SAME_POSITION_MM = 0.01
ORIENTATION = 6e-3  # direction cosines written with two decimals; 0.34°
SPACING_MM = 1e-3


@dataclass
class Series:
    """Frames with one orientation, matrix, spacing, kernel, sorted by position."""

    frames: list
    merged: int = 0  # copies left out
    # The frames left out, by whose UIDs a mask may name the series.
    copies: list = field(default_factory=list)
    notes: dict = field(default_factory=dict)

    @property
    def normal(self):
        """Unit vector along which the slices follow each other."""
        row, column = np.reshape(self.frames[0].orientation, (2, 3))
        normal = np.cross(row, column)
        return normal / np.linalg.norm(normal)

    def positions_mm(self):
        """Distance of each frame along the normal, mm."""
        return np.array([f.position for f in self.frames]) @ self.normal

    @property
    def step(self):
        """Distance from slice to slice, mm."""
        return (
            float(np.median(np.diff(self.positions_mm()))) if len(self.frames) > 1 else float("nan")
        )

    def sort(self):
        """Sort the slices by position; the series itself."""
        order = np.argsort(self.positions_mm(), kind="stable")
        self.frames = [self.frames[i] for i in order]
        return self


def alike(a, b):
    """Whether two frames have one orientation and pixel spacing, but for rounding in their headers."""
    return np.allclose(a.orientation, b.orientation, atol=ORIENTATION) and np.allclose(
        a.spacing, b.spacing, atol=SPACING_MM
    )


def grouped(frames):
    """Frames that could be one volume: same series, patient, matrix, plane, spacing, kernel."""
    groups = {}
    for frame in frames:
        key = (frame.series, frame.patient, frame.shape, frame.kernel, frame.instance)
        for series in groups.setdefault(key, []):
            if alike(series.frames[0], frame):
                series.frames.append(frame)
                break
        else:
            groups[key].append(Series([frame]))
    return [series.sort() for members in groups.values() for series in members]


def without_strays(candidates, left_out):
    """Without bolus-tracking slices and other pieces of one or two positions."""
    whole = [series for series in candidates if len(_distinct(series)) >= 3]
    strays = sum(len(s.frames) for s in candidates) - sum(len(s.frames) for s in whole)
    if strays:
        left_out["pieces_of_one_or_two_slices"] += strays
    return whole


def split(series):
    """Separate a series with two images at each position: drop copies, separate phases."""
    groups = _distinct(series)
    if all(len(frames) == 1 for _, frames in groups):
        return _interleaved(series)
    differing = []
    for position, frames in groups:
        if len({pixels.digest(frame) for frame in frames}) > 1:
            differing.append(position)
    if not differing:
        kept = [frames[0] for _, frames in groups]
        copies = [frame for _, frames in groups for frame in frames[1:]]
        return [Series(kept, merged=len(copies), copies=copies)]
    for rank in range(3):
        parts = {}
        for frame in series.frames:
            parts.setdefault(frame.splits[rank], []).append(frame)
        parts = [Series(frames).sort() for frames in parts.values()]
        if len(parts) > 1 and _are_phases(parts, by_time=rank == 2):
            return parts
    raise IntakeError(_two_images(differing, len(groups)))


def _interleaved(series):
    """Acquisitions whose slices lie between one another's, each a volume; the series itself where there are none."""
    for rank in range(2):
        parts = {}
        for frame in series.frames:
            parts.setdefault(frame.splits[rank], []).append(frame)
        parts = [Series(frames).sort() for frames in parts.values()]
        if len(parts) > 1 and _are_phases(parts):
            along = sorted((frames.positions_mm() for frames in parts), key=min)
            if any(min(b) < max(a) for a, b in itertools.pairwise(along)):
                return parts
    return [series]


def _are_phases(parts, by_time=False):
    """Whether each part is a volume: one image per position, evenly spaced; not a handful of strays.

    Phases may differ in length. A time differs for other reasons too, so parts by time are of about
    one size.
    """
    counts = [len(part.frames) for part in parts]
    if (
        min(counts) < (0.8 * max(counts) if by_time else min(8, 0.8 * max(counts)))
        or min(counts) < 3
    ):
        return False
    for part in parts:
        steps = np.diff(part.positions_mm())
        if steps.min() <= SAME_POSITION_MM or np.ptp(steps) > max(0.2 * np.median(steps), 0.12):
            return False
    return True


def merge_copies(candidates):
    """Whole copies under other UIDs become one; nearly equal ones are an error."""
    kept = []
    for series in candidates:
        for other in kept:
            shared, differing = _compare(other, series)
            if shared and not differing and shared == min(len(other.frames), len(series.frames)):
                longer, shorter = sorted((other, series), key=lambda s: -len(s.frames))
                kept[kept.index(other)] = replace(
                    longer,
                    merged=other.merged + series.merged + len(shorter.frames),
                    copies=[*other.copies, *series.copies, *shorter.frames],
                )
                break
            if shared and 0 < len(differing) < shared / 2:
                raise IntakeError(_two_images(differing, shared))
        else:
            kept.append(series)
    return kept


def _distinct(series):
    """Frames by position: a list of lists, ascending."""
    positions, groups = series.positions_mm(), []
    for position, frame in zip(positions, series.frames, strict=True):
        if groups and position - groups[-1][0] <= SAME_POSITION_MM:
            groups[-1][1].append(frame)
        else:
            groups.append((position, [frame]))
    return groups


def _two_images(differing, total):
    return (
        f"two different images at {len(differing)} of {total} positions "
        f"(z = {some(f'{position:.2f}' for position in differing)} mm along the slices' normal). "
        "Export the series again, and remove the copy that is not meant"
    )


def _compare(a, b):
    """How many positions two series share, and those where their pixels differ."""
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

    by_position = {key(frame): frame for frame in b.frames}
    pairs = [(frame, by_position[key(frame)]) for frame in a.frames if key(frame) in by_position]
    if len(pairs) < 0.5 * min(len(a.frames), len(b.frames)):
        return 0, []
    differing = [
        float(np.dot(frame.position, a.normal))
        for frame, other in pairs
        if pixels.digest(frame) != pixels.digest(other)
    ]
    return len(pairs), differing
