"""The one CT series of a folder that the sheet asks for."""

import os
import re
from collections import Counter

from nodestage.cohort.dicom.headers import files_under, frames_of
from nodestage.cohort.dicom.series import grouped, merge_copies, split, without_strays
from nodestage.cohort.faults import IntakeError, some

# A kernel may be named in a message only if it is one of the vendors' names.
KERNEL = re.compile(
    r"(FC\d\d(-?[A-Z]{1,2})?|[A-Z][a-z]{0,2}\d{2}[a-z]?(\\\d)?|[A-Z]{1,2}|B_(V?SOFT|V?SHARP|SMOOTH)_[A-D]{1,2}"
    r"|(SOFT|SHARP|SMOOTH|STANDARD|STND|BONE|BONEPLUS|LUNG|DETAIL|EDGE|CHST|ULTRA)(\d| ?PLUS)?)",
    re.IGNORECASE,
)


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
        frames += frames_of(name, left_out)
    candidates = grouped(frames)
    if choice and not choice.startswith("#"):
        candidates = _named(candidates, choice)
    candidates = without_strays(candidates, left_out)
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
    candidates = merge_copies([part for series in candidates for part in split(series)])
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


def _named(candidates, choice):
    """Candidates whose series number, UID or description is `choice`."""
    for of in (lambda f: f.number, lambda f: f.series, lambda f: f.description.strip().lower()):
        matching = [s for s in candidates if of(s.frames[0]) in (choice, choice.lower())]
        if matching:
            return matching
    numbers = sorted({s.frames[0].number or "(none)" for s in candidates}, key=_as_number)
    raise IntakeError(
        f"no axial CT series is {'number ' + choice if choice.isdigit() else 'what its `series` cell names'}; "
        f"there are the series numbers {some(numbers)}. Correct the sheet's `series` cell",
        _listing(candidates, private=True),
    )


def _chosen(candidates, choice):
    if choice.startswith("#"):
        rank = choice[1:].strip()
        if rank.isdigit() and 1 <= int(rank) <= len(candidates):
            return candidates[int(rank) - 1]
    hint = (
        "Write the one that is meant into the sheet's column `series` (or `arterial_series`, `venous_series`): "
        "its series number, or '#' and its position in this list"
    )
    raise IntakeError(
        f"{len(candidates)} CT series in one folder:\n{_listing(candidates)}\n    {hint}",
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


def _as_number(text):
    return int(text) if text.lstrip("-").isdigit() else 10**9
