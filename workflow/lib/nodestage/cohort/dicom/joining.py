"""Groups of slices that are parts of one volume, and tags that differ within it."""

from collections import Counter

import numpy as np

from nodestage.cohort.dicom.folders import MATTERS
from nodestage.cohort.dicom.series import SAME_POSITION_MM, Series, alike
from nodestage.cohort.faults import IntakeError, some

FRAGMENT = 2  # slices; groups of no more than these are parts of a volume, or strays
IN_LINE_MM = 0.1
# Tags on which HU or position depend, in the words of the standard.
SAME_IN_ALL = (
    "PatientID", "StudyInstanceUID", "FrameOfReferenceUID", "RescaleSlope", "RescaleIntercept", "RescaleType", "KVP",
    "ConvolutionKernel", "PatientName", "PatientBirthDate", "PatientSex",
)  # fmt: skip
UIDS = ("StudyInstanceUID", "FrameOfReferenceUID", "PatientName", "PatientBirthDate")
# How one series is divided where two images lie at a position: acquisition, temporal position, time.
DIVIDED_BY = (
    lambda frame: "",
    lambda frame: frame.splits[0],
    lambda frame: frame.splits[1],
    lambda frame: frame.splits[2],
)


def joined(groups, facts):
    """The same groups, those joined that continue one another or interleave on one grid.

    Raises `IntakeError` where a tag that HU or position depend on differs between such groups: neither
    of them is the whole scan.
    """
    _check_persons(groups)
    by_series = {}
    for group in groups:
        by_series.setdefault(group.frames[0].series, []).append(group)
    result = []
    for members in by_series.values():
        result += _of_one_series(members) if len(members) > 1 else members
    fragments = [g for g in result if len(g.frames) <= FRAGMENT]
    volumes = [g for g in result if len(g.frames) > FRAGMENT]
    if len({g.frames[0].series for g in fragments}) > 2:
        whole = _of_fragments(fragments)
        if whole:
            facts["series_uid_per_slice"] = True
            return volumes + whole
    return _of_split_exports(volumes) + fragments


def _check_persons(groups):
    """Refuse images of several persons in one folder."""
    count = Counter(frame.patient for group in groups for frame in group.frames)
    if len(count) < 2:
        return
    total = sum(count.values())
    if len(count) > 0.5 * total:
        raise IntakeError(
            f"its {total} slices carry {len(count)} patient IDs, nearly one for each slice. Anonymise the original "
            "series again, with one ID for all slices"
        )
    missing = f"; {count['']} slices have none" if count[""] else ""
    raise IntakeError(
        f"images of {len(count)} patients in one folder ({some(sorted(count.values(), reverse=True))} slices{missing}). "
        "Give each patient a folder of its own"
    )


def _of_one_series(members):
    """Groups under one series UID: joined where they are parts of a volume, otherwise left apart."""
    frames = [frame for group in members for frame in group.frames]
    for key in DIVIDED_BY:
        parts = {}
        for frame in frames:
            parts.setdefault(key(frame), []).append(frame)
        parts = [part for part in parts.values() if len(part) > FRAGMENT]
        if not parts or len(parts) >= len(members):
            continue
        relaxed = all(len(group.frames) <= FRAGMENT for group in members)
        if all(_is_volume(part, relaxed) for part in parts):
            for part in parts:
                _check_alike(part)
            kept = {id(frame) for part in parts for frame in part}
            rest = [f for f in frames if id(f) not in kept]
            return [Series(part).sort() for part in parts] + [Series([f]) for f in rest]
    return members


def _of_fragments(fragments):
    """Volumes of slices that each have a series UID, or [] where it isn't clear which belong together."""
    lanes = {}
    for group in fragments:
        for frame in group.frames:
            key = (frame.shape, frame.kernel, frame.number)
            lanes.setdefault(key, []).append(frame)
    result = []
    for frames in lanes.values():
        if len(frames) <= FRAGMENT:
            result.append(Series(frames).sort())
            continue
        for key in DIVIDED_BY:
            parts = {}
            for frame in frames:
                parts.setdefault(key(frame), []).append(frame)
            if all(len(p) > FRAGMENT and _is_volume(p, True) for p in parts.values()):
                for part in parts.values():
                    _check_alike(part)
                result += [Series(part).sort() for part in parts.values()]
                break
        else:
            return []
    return result


def _of_split_exports(volumes):
    """Series under several UIDs that carry one number and one acquisition, and make one even volume."""
    result = []
    for series in volumes:
        first = series.frames[0]
        for k, other in enumerate(result):
            mate = other.frames[0]
            same = (first.number, first.splits[0], first.kernel, first.shape) == (
                mate.number,
                mate.splits[0],
                mate.kernel,
                mate.shape,
            )
            both = [*other.frames, *series.frames]
            if same and first.number and alike(first, mate) and _is_volume(both):
                result[k] = Series(both).sort()
                break
        else:
            result.append(series)
    return result


def _overlap(series, other):
    """Whether two series share a part of their extent along the normal."""
    along, beside = (
        series.positions_mm(),
        np.array([f.position for f in other.frames]) @ series.normal,
    )
    return along.min() <= beside.max() and beside.min() <= along.max()


def check_parts(candidates):
    """Raise where two series of one acquisition continue each other: each is a part of a scan.

    With one series number they were joined before. Two that interleave may be two phases half a step
    apart, between which the sheet chooses.
    """
    for k, series in enumerate(candidates):
        for other in candidates[:k]:
            first, mate = series.frames[0], other.frames[0]
            same = all(
                getattr(first, name) == getattr(mate, name) for name in ("study", "kernel", "shape")
            )
            one = same and first.splits[0] == mate.splits[0] and alike(first, mate)
            one = one and not _overlap(series, other)
            if one and first.number != mate.number and _is_volume([*other.frames, *series.frames]):
                raise IntakeError(
                    f"two series of {len(other.frames)} and {len(series.frames)} slices continue one another on one grid, and "
                    "differ in SeriesNumber and SeriesInstanceUID: neither may be the whole scan. Export them as one "
                    "series; or, if one of them is all that is meant, give it a folder of its own"
                )


def _is_volume(frames, relaxed=False):
    """Whether frames lie at different positions on one line, evenly (`relaxed`: gaps allowed)."""
    normal = Series(frames).normal
    positions = np.array([frame.position for frame in frames])
    along = positions @ normal
    order = np.argsort(along)
    positions, along = positions[order], along[order]
    steps = np.diff(along)
    if len(frames) < 3 or steps.min() <= SAME_POSITION_MM:
        return False
    vector, start = np.polyfit(along, positions, 1)
    if np.linalg.norm(positions - start - np.outer(along, vector), axis=1).max() > IN_LINE_MM:
        return False
    step = float(np.median(steps))
    return relaxed or bool(np.abs(steps - step).max() <= max(0.1 * step, 0.06))


def _check_alike(frames):
    """Raise where orientation, spacing, matrix or kernel differ within one volume."""
    first = frames[0]
    checks = {
        "Rows and Columns": lambda f: f.shape == first.shape,
        "ConvolutionKernel": lambda f: f.kernel == first.kernel,
        "ImageOrientationPatient or PixelSpacing": lambda f: alike(f, first),
    }
    for tag, is_same in checks.items():
        others = [frame for frame in frames if not is_same(frame)]
        if others:
            raise IntakeError(_differs(tag, frames, others))


def check_tags(series, rejected, facts):
    """Raise where a tag that HU or position depend on is absent or different in some slices.

    Parameters
    ----------
    series : Series, the one that is read
    rejected : list of `folders.Rejected` of its folder
    facts : takes `uid_per_slice` where study or frame of reference differ in every slice
    """
    frames = series.frames
    uids = {frame.series for frame in frames} - {""}
    lost = Counter(r.reason for r in rejected if r.series in uids and r.shape == frames[0].shape)
    if lost:
        words = "; ".join(f"{n} have {MATTERS[reason]}" for reason, n in sorted(lost.items()))
        raise IntakeError(
            f"{sum(lost.values())} of {len(frames) + sum(lost.values())} slices of the series can't be used: {words}. "
            "Export the series again"
        )
    for tag in SAME_IN_ALL:
        values = Counter(frame.tags.get(tag, "") for frame in frames)
        if len(values) < 2:
            continue
        if tag in UIDS and len(values) > 0.5 * len(frames):
            facts["uid_per_slice"] = True  # an anonymiser made one for each slice
            continue
        usual = values.most_common(1)[0][0]
        others = [frame for frame in frames if frame.tags.get(tag, "") != usual]
        raise IntakeError(_differs(tag, frames, others))
    # A scanner may rescale each slice differently; a rescale that most share and some don't was changed.
    pairs = Counter((frame.slope, frame.intercept) for frame in frames)
    usual, number = pairs.most_common(1)[0]
    if number < len(frames) <= 2 * number:
        others = [frame for frame in frames if (frame.slope, frame.intercept) != usual]
        raise IntakeError(_differs("RescaleSlope or RescaleIntercept", frames, others))
    if len(pairs) > 1:
        facts["rescale_per_slice"] = True


def _differs(tag, frames, others):
    absent = sum(not frame.tags.get(tag, "x") for frame in others)
    how = (
        "is missing" if absent == len(others) else "differs or is missing" if absent else "differs"
    )
    where = some((f"{frame.position[2]:.2f}" for frame in others), 8)
    return (
        f"{tag} {how} in {len(others)} of {len(frames)} slices of one series (z = {where} mm): neither part is the whole "
        "scan. Export the series again, or correct the tag"
    )
