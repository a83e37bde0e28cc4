"""Which series of an examination's folder is which phase."""

from collections.abc import Mapping

from nodestage.cohort.dicom import choosing
from nodestage.cohort.dicom.series import Series
from nodestage.cohort.faults import IntakeError

DATED = 14  # digits of a date with hours, minutes and seconds
HINT = "Name both: `arterial_series` and `venous_series`, each a series number, or '#' and the position in this list"


def by_time(path: str) -> tuple[dict[str, str], list[str]]:
    """The two CT series of a folder: the one acquired first is the arterial phase.

    Parameters
    ----------
    path : folder with the series of both phases, and perhaps images of other kinds

    Returns
    -------
    {arterial, venous: its position in the list of series, `#1` or `#2`}
    sentences on what was decided, without text of the headers

    Raises
    ------
    IntakeError where the folder holds another number of axial CT series than two, where their
    times are missing or equal, or as `choosing.find` does
    """
    candidates = choosing.listed(path)
    if len(candidates) == 1:
        raise IntakeError(
            f"one CT series alone, so a phase is missing:\n{choosing.listing(candidates)}\n    Give the folder "
            "that holds both phases; or the only one as `venous`, if the model may use it in place of both"
        )
    if len(candidates) > 2:
        raise IntakeError(
            f"{len(candidates)} CT series in one folder:\n{choosing.listing(candidates)}\n    {HINT}"
        )
    times = [_time(series) for series in candidates]
    # A time of day (HHMMSS) and a date with time can't be compared.
    alike = len({time.partition(".")[0].isdigit() and len(time) >= DATED for time in times}) == 1
    if not all(times) or times[0] == times[1] or not alike:
        raise IntakeError(
            "the headers of its two CT series have no acquisition times that differ, so it isn't clear which is the "
            f"arterial phase:\n{choosing.listing(candidates)}\n    {HINT}"
        )
    first = 0 if times[0] < times[1] else 1
    chosen: Mapping[str, int] = {"arterial": first + 1, "venous": 2 - first}
    sentences = [
        f"{phase} phase: series #{rank} of the folder, {len(candidates[rank - 1].frames)} slices, acquired "
        f"{'first' if phase == 'arterial' else 'second'}"
        for phase, rank in chosen.items()
    ]
    return {phase: f"#{rank}" for phase, rank in chosen.items()}, sentences


def alone(path: str, phase: str) -> str:
    """A sentence on the one CT series of a folder, which is a model's only phase.

    Parameters
    ----------
    path : folder with that series, and perhaps images of other kinds
    phase : its name, for the messages

    Raises
    ------
    IntakeError where the folder holds several axial CT series, or as `choosing.find` does
    """
    candidates = choosing.listed(path)
    if len(candidates) > 1:
        raise IntakeError(
            f"{len(candidates)} CT series in one folder, and this model needs the {phase} phase alone:\n"
            f"{choosing.listing(candidates)}\n    Name it: `{phase}_series`, a series number, or '#' and the position "
            "in this list"
        )
    return f"{phase} phase: the one CT series of the folder, {len(candidates[0].frames)} slices"


def _time(series: Series) -> str:
    """When the first slice of a series was acquired, as its headers write it; "" where they don't."""
    frames = series.frames
    if frames[0].index is not None:  # of multi-frame files it is the number of a stack
        return ""
    times = [frame.splits[2] for frame in frames]
    return min(times) if all(times) else ""
