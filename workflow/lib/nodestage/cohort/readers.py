"""Columns of the sample sheet with what radiologists called or rated: `reader_1`, `reader_1_with_model` and so on.

Read when the workflow is parsed: this module imports nothing heavy. No method sees these columns.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

COLUMN = re.compile(r"reader_([1-9][0-9]?)(_with_model)?")
LOOKS_LIKE_ONE = re.compile(r"readers?([_ .-]|\d|$)")
WITH_MODEL = "_with_model"


class Column(NamedTuple):
    """One reader in one condition."""

    name: str
    reader: int
    with_model: bool


def columns(names: Iterable[str]) -> list[Column]:
    """The columns of readers among some column names: by reader, without the model first."""
    matches = [(name, COLUMN.fullmatch(name)) for name in dict.fromkeys(names)]
    listed = [Column(name, int(match[1]), bool(match[2])) for name, match in matches if match]
    return sorted(listed, key=lambda column: column[1:])


def are_calls(cells: Iterable[str]) -> bool:
    """Whether cells hold 0 and 1 alone, thus calls and no ratings; empty ones don't count."""
    return all(float(cell) in (0.0, 1.0) for cell in cells if cell)


def faults(
    rows: Iterable[Mapping[str, str]], ignored: Iterable[str] = ()
) -> list[tuple[str, str, str]]:
    """What is wrong with the columns of readers as a whole; single cells have the schema.

    Parameters
    ----------
    rows : of the sheet, whose filled cells are numbers
    ignored : further columns of the sheet, which nobody reads

    Returns
    -------
    list of (column, finding, hint)
    """
    rows, listed = list(rows), []
    for name in ignored:
        if LOOKS_LIKE_ONE.match(name):
            listed.append(
                (
                    name,
                    "no column of a reader",
                    "Number the readers: reader_1 to reader_99, and reader_1_with_model for the same reader with "
                    "the model’s help; no names. Give a column for something else a name without `reader` in front",
                )
            )
    read = columns(name for row in rows for name in row)
    filled = {c: [row[c.name] for row in rows if row.get(c.name)] for c in read}
    without = {column.reader for column in read if not column.with_model}
    for column in read:
        if column.with_model and column.reader not in without:
            name = column.name.removesuffix(WITH_MODEL)
            listed.append(
                (
                    column.name,
                    f"there is no column {name} to compare it with",
                    "Give the same reader’s readings without the model, or remove the column",
                )
            )
        if not filled[column]:
            listed.append((column.name, "empty for all patients", "Fill it, or remove the column"))
    calls = {column: are_calls(cells) for column, cells in filled.items() if cells}
    if len(set(calls.values())) > 1:
        only_calls = ", ".join(column.name for column, call in calls.items() if call)
        ratings = ", ".join(column.name for column, call in calls.items() if not call)
        listed.append(
            (
                only_calls.split(", ")[0],
                f"{only_calls}: 0 and 1 alone, but ratings in {ratings}",
                "Give calls (0 or 1) of all readers, or ratings on one scale of all readers",
            )
        )
    return listed


def counts(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """Sentences on how many patients each reader read; none where all read all."""
    rows = list(rows)
    sentences = []
    for column in columns(name for row in rows for name in row):
        n = sum(bool(row.get(column.name)) for row in rows)
        if n < len(rows):
            sentences.append(
                f"{column.name}: {n} of {len(rows)} patients were read; a comparison takes the patients whom all "
                "its readers read"
            )
    return sentences
