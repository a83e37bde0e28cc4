"""Tab-separated tables as lists of rows, without the seconds that importing pandas costs."""

import csv
import math

from nodestage.core import files


def read(path):
    """Rows of a table, one dict a row, every value as the text that stands there."""
    with open(path, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def header(path):
    """The column names of a table, which even an empty one has."""
    with open(path, newline="", encoding="utf-8") as handle:
        return next(csv.reader(handle, delimiter="\t"))


def write(path, rows, columns=None):
    """Write `rows` (dicts) under `columns` (default: the keys of the first row).

    None and NaN become empty cells. Floats keep every digit (`repr`), so that a
    table read back holds the same numbers.
    """
    columns = list(columns if columns is not None else rows[0])
    with files.whole(path) as temporary:
        with open(temporary, "w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)


def number(text):
    """The cell as a float; NaN where it is empty."""
    return float(text) if text not in ("", None) else math.nan


def _cell(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return int(value)
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    return value
