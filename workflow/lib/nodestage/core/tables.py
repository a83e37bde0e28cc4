"""Tab-separated tables of this workflow as lists of rows, without the seconds that importing pandas costs."""

import csv
import io
import math
from pathlib import Path

from nodestage.core import files, seals


def read(path):
    """Rows of a table that this workflow wrote, one dict per row, each value as text.

    Raises
    ------
    InputError where a row has more or fewer cells than there are columns, the last line has no end,
    or the file is not as `write` left it. For a table from outside see `handwritten`.
    """
    columns, *rows = _lines(path)
    return [dict(zip(columns, cells, strict=True)) for cells in rows]


def read_patients(path, patients):
    """As `read`, of a table with a row for each of these patients; `InputError` where one has none."""
    rows = read(path)
    check_patients(path, rows, patients)
    return rows


def header(path):
    """The column names of a table, which even an empty one has."""
    return _lines(path)[0]


def _lines(path):
    """Cells of each line, the header first, as many as there are columns."""
    text = Path(path).read_bytes()
    try:
        decoded = text.decode("utf-8")
        lines = list(csv.reader(io.StringIO(decoded, newline=""), delimiter="\t", strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise seals.changed(path, f"can't be read ({type(error).__name__})") from error
    if not lines or not text.endswith(b"\n"):
        raise seals.changed(path, "ends within a line" if lines else "is empty")
    for number, cells in enumerate(lines, start=1):
        if len(cells) != len(lines[0]):
            raise seals.changed(
                path, f"has {len(cells)} cells in row {number}, not {len(lines[0])}"
            )
    seals.check(path)
    return lines


def check_patients(path, rows, patients):
    """Raise `InputError` unless the rows of the table at `path` are those of these patients.

    Parameters
    ----------
    rows : as from `read`, with `patient`
    patients : codes that must have a row, each
    """
    if any("patient" not in row for row in rows):
        raise seals.changed(path, "has no column `patient`")
    absent = sorted(set(patients) - {row["patient"] for row in rows})
    if absent:
        raise seals.changed(
            path,
            f"has no row for {len(absent)} of {len(set(patients))} patients ({absent[0]}"
            f"{' …' if absent[1:] else ''})",
        )


def write(path, rows, columns=None):
    """Write `rows` (dicts) under `columns` (default: the keys of the first row), with a digest beside it.

    None and NaN become empty cells. Floats keep every digit (`repr`), so that a
    table read back holds the same numbers.
    """
    columns = list(columns if columns is not None else rows[0])
    with files.whole(path) as temporary:
        with open(temporary, "w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    seals.add(path)


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
