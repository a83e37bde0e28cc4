"""Statistics tables as a report reads them: each cell knows its file, row and column.

A number on a page carries the file, row and column that it came from, and the cell's text, so that
a reader or a test can compare it with the table.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from nodestage.core import tables


@dataclass(frozen=True)
class Cell:
    """One cell: its text as in the file, the file, row (from 1) and column."""

    text: str = ""
    source: str = ""
    row: int = 0
    column: str = ""

    @property
    def number(self):
        """The value; NaN where the cell is empty or holds words."""
        try:
            return float(self.text)
        except ValueError:
            return math.nan

    @property
    def defined(self):
        """Whether the cell has a finite number."""
        return math.isfinite(self.number)

    def __str__(self):
        return self.text

    def __bool__(self):
        return bool(self.text)


class Row(dict):
    """A row whose missing columns are empty cells: tables may have more or fewer than expected."""

    def __missing__(self, column):
        return Cell(column=column)

    def text(self, column):
        """The text of a cell."""
        return self[column].text

    def plain(self):
        """{column: text}, as the figures take it."""
        return {column: cell.text for column, cell in self.items()}


class Rows(list):
    """Rows of one file, and why there are none."""

    def __init__(self, rows=(), name="", columns=(), absent=""):
        super().__init__(rows)
        self.name, self.columns, self.absent = name, list(columns), absent

    def where(self, **wanted):
        """The rows whose cells hold these texts."""
        kept = [row for row in self if all(row.text(c) == str(v) for c, v in wanted.items())]
        return Rows(kept, self.name, self.columns, self.absent)

    def values(self, column):
        """The different texts of a column, in order."""
        return list(dict.fromkeys(row.text(column) for row in self))

    def plain(self):
        """The rows as dicts of text."""
        return [row.plain() for row in self]


def load(folder, name):
    """Read `folder`/`name`; `absent` has the reason where there are no rows."""
    if folder is None:
        return Rows(name=name, absent=f"{name} is not part of this report.")
    path = Path(folder) / name
    if not path.is_file():
        return Rows(name=name, absent=f"The run wrote no {name}.")
    source = f"{path.parent.name}/{name}"
    with open(path, encoding="utf-8") as handle:
        columns = handle.readline().rstrip("\r\n").split("\t")
    rows = [
        Row({c: Cell(v or "", source, i, c) for c, v in row.items() if c is not None})
        for i, row in enumerate(tables.read(path), start=1)
    ]
    return Rows(rows, name, columns, "" if rows else f"{name} has no rows.")
