"""The one CT series of a folder that the sheet asks for."""

import math
import os
import re
from collections import Counter

from nodestage.cohort.dicom import folders, headers, joining, kernels
from nodestage.cohort.dicom.series import grouped, merge_copies, split, without_strays
from nodestage.cohort.faults import IntakeError, some
from nodestage.cohort.series_names import DIGEST, without_text

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
        in the message, a series instance UID, or the exact series description; of the last two
        also the digest that `series_names.without_text` gives
    facts : dict that takes the counts of what was left out
    """
    facts = {} if facts is None else facts
    candidates, folder = _candidates(path, choice, facts)
    series = candidates[0] if len(candidates) == 1 else _chosen(candidates, choice)
    joining.check_tags(series, folder.rejected, facts)
    if any(frame.lossy for frame in series.frames):
        facts["lossy_compression"] = True
    first = series.frames[0]
    # Numbers too short to tell an identifier by; enough to see that two differ.
    facts["person"], facts["exam"] = (
        headers.digest_of(first.patient),
        headers.digest_of(first.study),
    )
    if series.merged:
        facts["copies_dropped"] = series.merged
    facts["slices"] = len(series.frames)
    _note_oddities(series, folder, facts)
    if math.isfinite(first.thickness) and first.thickness > 0:
        facts["slice_thickness_mm"] = round(first.thickness, 3)
    if sharpness := kernels.sharpness(first.kernel):
        facts["kernel"] = sharpness
    return series


def _note_oddities(series, folder, facts):
    """What the headers of a whole series leave to a person: acquisitions, thickness, missing numbers."""
    frames = series.frames
    acquisitions = {frame.splits[0] for frame in frames} - {""}
    if frames[0].index is None and 1 < len(acquisitions) <= len(frames) / 3:
        facts["acquisitions"] = len(acquisitions)
    if any(frame.derived for frame in frames):
        facts["derived"] = True
    thicknesses = {round(f.thickness, 2) for f in frames if math.isfinite(f.thickness)}
    if len(thicknesses) > 1:
        facts["thicknesses"] = len(thicknesses)
    numbers = {frame.instance_number for frame in frames} - {None}
    alone = sum(frame.series == frames[0].series for frame in folder.frames) == len(frames)
    if alone and len(numbers) == len(frames):
        absent = max(numbers) - min(numbers) + 1 - len(frames)
        if absent:
            facts["numbers_missing"] = absent
        announced = {frame.announced for frame in frames}
        if len(announced) == 1 and len(acquisitions) < 2 and max(announced) > len(frames):
            facts["images_announced"] = max(announced)


def listed(path):
    """Every axial CT series of a folder, in the order of `#1`, `#2`, … of a `series` cell.

    Raises
    ------
    IntakeError as `find` does: where there is none, files are damaged, or several persons' lie there
    """
    return _candidates(path, "", {})[0]


def _candidates(path, choice, facts):
    """The series of a folder that `choice` may mean, sorted, and the `Folder`."""
    folder = folders.collect(path)
    left_out = folder.left_out
    candidates = joining.joined(grouped(folder.frames), facts)
    if choice and not choice.startswith("#") and candidates:
        candidates = _named(candidates, choice)
    candidates = without_strays(candidates, left_out)
    _check_damaged(folder, path)
    if left_out:
        facts["left_out"] = dict(sorted(left_out.items()))
    if not candidates:
        raise IntakeError(_nothing(folder, path))
    candidates = merge_copies([part for series in candidates for part in split(series)])
    joining.check_parts(candidates)
    candidates.sort(
        key=lambda s: (_as_number(s.frames[0].number), s.frames[0].splits, s.frames[0].series)
    )
    return candidates, folder


def _named(candidates, choice):
    """Candidates whose series number, UID or description is `choice`."""
    for of in (lambda f: f.number, lambda f: f.series, lambda f: f.description.strip().lower()):
        matching = [s for s in candidates if _is_meant(of(s.frames[0]), choice)]
        if matching:
            return matching
    numbers = sorted({s.frames[0].number or "(none)" for s in candidates}, key=_as_number)
    raise IntakeError(
        f"no axial CT series is {'number ' + choice if re.fullmatch('[0-9]{1,12}', choice) else 'what its `series` cell names'}; "
        f"there are the series numbers {some(numbers)}. Correct the sheet's `series` cell",
        listing(candidates, private=True),
    )


def _is_meant(text, choice):
    """Whether a header's text is the cell's, or has the digest that the cell holds instead."""
    if choice.startswith(DIGEST):
        return bool(text) and without_text(text) == choice
    return text in (choice, choice.lower())


def _chosen(candidates, choice):
    if choice.startswith("#"):
        rank = choice[1:].strip()
        if re.fullmatch("[0-9]{1,6}", rank) and 1 <= int(rank) <= len(candidates):
            return candidates[int(rank) - 1]
    numbers = {series.frames[0].number for series in candidates}
    alone = len(numbers) == len(candidates) and "" not in numbers
    hint = (
        "Write the one that is meant into the sheet's column `series` (or `arterial_series`, `venous_series`): "
        + ("its series number, or " if alone else "")
        + "'#' and its position in this list"
        + ("" if alone else " (their numbers don't tell them apart)")
    )
    raise IntakeError(
        f"{len(candidates)} CT series in one folder:\n{listing(candidates)}\n    {hint}",
        listing(candidates, private=True),
    )


def listing(candidates, private=False):
    """A line for each series; without any text of its header unless it is for a terminal alone."""
    lines, exams = [], list(dict.fromkeys(series.frames[0].study for series in candidates))
    for rank, series in enumerate(candidates, start=1):
        frame = series.frames[0]
        kernel = (
            frame.kernel
            if private or KERNEL.fullmatch(frame.kernel)
            else ("unlisted" if frame.kernel else "not given")
        )
        number = frame.number if re.fullmatch(r"-?[0-9]{1,12}", frame.number) else "(none)"
        line = (
            f"    #{rank}: series number {number}, {len(series.frames)} slices, {series.step:.4g} mm apart, "
            f"{frame.thickness:.4g} mm thick, kernel {kernel}"
        )
        if len(exams) > 1:
            line += f", examination {exams.index(frame.study) + 1} of {len(exams)}"
        lines.append(line + (f", description {frame.description!r}" if private else ""))
    return "\n".join(lines)


def _check_damaged(folder, path):
    """Refuse a folder with files that look like slices and can't be read: a copy that broke off."""
    if not folder.damaged:
        return
    number = sum(map(len, folder.damaged.values()))
    kinds = "; ".join(f"{len(names)} {what}" for what, names in sorted(folder.damaged.items()))
    total = number + len({frame.path for frame in folder.frames})
    fix = "Copy the folder again, or remove them if they aren't part of the series"
    if any("decimal comma" in what for what in folder.damaged):
        fix = "Export the series again: numbers of DICOM have decimal points"
    raise IntakeError(
        f"{number} of {total} files that could be slices can't be used ({kinds}). {fix}",
        "\n".join(f"  {what}: {some(names)}" for what, names in sorted(folder.damaged.items())),
    )


# What else a folder may hold when there is no CT in it, by the ends of names.
INSTEAD = {
    (".nii", ".nii.gz"): "a NIfTI file lies there: give its own path",
    (
        ".zip",
        ".tar",
        ".gz",
        ".tgz",
        ".7z",
        ".rar",
        ".bz2",
        ".xz",
    ): "packed files lie there: unpack them",
    (
        ".nrrd",
        ".mha",
        ".mhd",
        ".img",
        ".hdr",
    ): "images of another format lie there: convert them to .nii.gz",
}


def _nothing(folder, path):
    left_out, series = folder.left_out, {frame.series for frame in folder.frames}
    words = ", ".join(
        f"{count} × {reason.replace('_', ' ')}" for reason, count in sorted(left_out.items())
    )
    where = "folder" if os.path.isdir(path) else "file"
    hint = "Give the folder of the axial series"
    if folder.rejected:
        number = Counter(r.reason for r in folder.rejected).most_common(1)[0]
        hint = f"{number[1]} CT images have {folders.MATTERS[number[0]]}: export the series again"
    elif len(series) > 2:
        hint = f"Its {len(folder.frames)} slices have {len(series)} series UIDs: export the series again under one"
    elif os.path.isdir(path):
        names = [name.lower() for name in folders.files_under(path)[0]]
        for ends, advice in INSTEAD.items():
            if any(name.endswith(ends) for name in names):
                hint = advice[0].upper() + advice[1:]
                break
    return f"no axial CT in the {where} ({words or 'it is empty'}). {hint}"


def _as_number(text):
    return int(text) if re.fullmatch(r"-?[0-9]{1,12}", text) else 10**9
