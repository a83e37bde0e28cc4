"""Which segment of a file is which class: by its name, never by its number.

Names are compared without regard to capitals; underscores count as blanks, and blanks at the ends or
several in a row don't count. In the config's names `*` stands for any text.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from nodestage.cohort.faults import IntakeError, some

# Names that are understood where a center's `segments` has no entry for a kind of mask; organs have ours.
USUAL = {
    "tumor": {"tumor": ["tumor", "PDAC"]},
    "lymph_nodes": {
        "negative": ["negative lymph node*", "lymph node negative*"],
        "positive": ["positive lymph node*", "lymph node positive*"],
    },
}
KINDS = ("organs", "tumor", "lymph_nodes")


@dataclass(frozen=True)
class Chosen:
    """The segments of one mask.

    Attributes
    ----------
    classes : {index of the segment in its file: our id}
    facts : `segments`, `segments_ignored` (numbers), `segments_missing` (our classes of the config without one)
    """

    classes: dict[int, int]
    facts: dict = field(default_factory=dict)


def mapping(segments: Mapping | None, role: str, known: Mapping[str, int]) -> dict[str, list[str]]:
    """{our class: their names} of one kind of mask.

    Parameters
    ----------
    segments : a center's `segments`, or None
    role : organs, tumor or lymph_nodes
    known : {our class: our id}, of organs
    """
    entry = (segments or {}).get(role)
    if entry is None:
        usual = USUAL.get(role)
        return usual if usual else {name: [name] for name in known}
    if role == "tumor":
        entry = {"tumor": entry}
    return {name: _listed(theirs) for name, theirs in entry.items()}


def check(segments: Mapping | None, organs: Mapping[str, int]) -> list[str]:
    """Sentences on what is wrong with a center's `segments`: a name of two classes of one mask."""
    faults = []
    for role in KINDS:
        first: dict[str, str] = {}
        for name, theirs in mapping(segments, role, organs).items():
            for one in theirs:
                other = first.setdefault(plain(one), name)
                if other != name:
                    faults.append(
                        f"{role}: segments gives the name {one!r} to {other} and to {name}. Each name has one "
                        "meaning in a mask."
                    )
    return faults


def choose(
    names: Sequence[str],
    role: str,
    segments: Mapping | None,
    known: Mapping[str, Mapping[str, int]],
) -> Chosen:
    """Which segments belong to a mask.

    Parameters
    ----------
    names : names in the file, by index; equal ones are joined
    role : organs, tumor or lymph_nodes
    segments : the center's `segments`, or None
    known : {role: {our class: our id}} of every kind of mask

    Raises
    ------
    IntakeError where the file has a name that the config doesn't know, or none of this mask's. The names in
    the file stand in its `full` alone.
    """
    ours = mapping(segments, role, known[role])
    ignored = (segments or {}).get("ignore", [])
    classes: dict[int, int] = {}
    unknown, left_out = [], []
    for index, name in enumerate(names):
        matching = _matching(name, ours)
        if len(matching) > 1:
            raise IntakeError(
                f"segment {index + 1} of {len(names)} has a name of {' and '.join(matching)} by the config's `segments`. "
                "Make their names there narrower",
                _listing(names, [index]),
            )
        if matching:
            classes[index] = known[role][matching[0]]
        elif ignored == "others" or _matching(name, {"": _listed(ignored)}):
            left_out.append(index)
        elif not any(
            _matching(name, mapping(segments, other, known.get(other, {})))
            for other in KINDS
            if other != role
        ):
            unknown.append(index)
    if unknown:
        one = len(unknown) == 1
        raise IntakeError(
            f"{len(unknown)} of its {len(names)} segments {'has a name' if one else 'have names'} that the config doesn't know. "
            f"Add {'it' if one else 'them'} to `segments` of the center, or to `ignore` there (`ignore: others` for all that "
            f"are not named). For {role} it knows {_readable(ours)}",
            _listing(names, unknown),
        )
    if not classes and role not in (segments or {}).get("optional", []):
        raise IntakeError(
            f"none of its {len(names)} segments is called {_readable(ours)}. Add their names to `segments` of the center, or "
            f"empty the cell if {role} weren't drawn. Where a file without them means that there are none, write "
            f"`optional: [{role}]` into `segments`",
            _listing(names),
        )
    facts: dict = {"segments": len(classes)}
    if left_out:
        facts["segments_ignored"] = len(left_out)
    if role in (segments or {}):
        missing = [name for name in ours if known[role][name] not in classes.values()]
        if missing:
            facts["segments_missing"] = missing
    return Chosen(classes, facts)


def plain(name: str) -> str:
    """A name as it is compared."""
    return " ".join(str(name).replace("_", " ").split()).casefold()


def quoted(names: Iterable[str]) -> str:
    """Names of a file for the terminal."""
    return some((repr(name) for name in names), 40)


def _matching(name: str, classes: Mapping[str, list[str]]) -> list[str]:
    """The classes that a name belongs to; one that is written out goes before one with `*`."""
    text = plain(name)
    exact = [ours for ours, theirs in classes.items() if text in map(plain, theirs)]
    return exact or [
        ours
        for ours, theirs in classes.items()
        if any(_pattern(one).fullmatch(text) for one in theirs if "*" in one)
    ]


@cache
def _pattern(name: str) -> re.Pattern:
    return re.compile(".*".join(re.escape(plain_part) for plain_part in plain(name).split("*")))


def _listed(names: object) -> list[str]:
    return list(names) if isinstance(names, list | tuple) else [str(names)]


def _readable(ours: Mapping[str, list[str]]) -> str:
    return some((name for theirs in ours.values() for name in theirs), 25)


def _listing(names: Sequence[str], marked: Iterable[int] = ()) -> str:
    text = f"  its segments: {quoted(names)}"
    marked = list(marked)
    return text + (f"\n  of these: {quoted(names[i] for i in marked)}" if marked else "")
