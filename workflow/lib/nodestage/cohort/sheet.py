"""The sample sheet, read as text.

Read when the workflow is parsed, in every job again: this module imports nothing
heavy at its top.
"""

from pathlib import Path

from nodestage.cohort import readers
from nodestage.cohort.faults import IntakeError
from nodestage.core import handwritten
from nodestage.core.handwritten import BadCell
from nodestage.core.names import PHASES

IMAGES = PHASES
MASKS = ("organs", "tumor", "lymph_nodes")
COLUMNS = (
    "patient",
    "center",
    *IMAGES,
    *MASKS,
    "organ_set",
    "metastasis",
    "ct_reported",
    "sex",
    "age",
    "pt_stage",
    "pn_stage",
    "tumor_size_cm",
    "tumor_location",
    "series",
    "arterial_series",
    "venous_series",
)


class Sheet(list):
    """Rows (dicts of text) sorted by patient.

    `numbers` are the rows' numbers in the file, the header being 1; `ignored` are
    the columns that the workflow does not know.
    """

    def __init__(self, rows, numbers, ignored=()):
        super().__init__(rows)
        self.numbers = list(numbers)
        self.ignored = list(ignored)


def read_sheet(path, extra=()):
    """Read a sample sheet (.tsv, .txt, .csv, .xlsx).

    Every cell is text with blanks stripped: patient `007` stays `007`. Of the
    columns only `COLUMNS` and `extra` are kept, all of them present in each row, and
    the columns of readers (`cohort.readers`) that the sheet has;
    neither the order of rows nor other columns change what comes out.

    Returns
    -------
    Sheet: a list of dicts, sorted by patient
    """
    path = Path(path)
    if not path.exists():
        raise IntakeError(
            f"The sample sheet {path.name} is not there. Give its path as `samples` in the config.",
            f"looked for {path.absolute()}",
        )
    table = handwritten.lines(path, f"The sample sheet {path.name}")
    return _rows(path.name, table, (*COLUMNS, *extra))


def _rows(name, table, columns):
    table = [(number, cells) for number, cells in table if any(map(_is_filled, cells))]
    if not table:
        raise IntakeError(f"The sample sheet {name} is empty. Its first row names the columns.")
    header = [cell.lower() for cell in table[0][1]]
    while header and not header[-1]:
        header.pop()
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        raise IntakeError(
            f"The sample sheet {name} has the column {', '.join(twice)} more than once. Keep one."
        )
    absent = [column for column in ("patient", "center") if column not in header]
    if absent:
        raise IntakeError(
            f"The sample sheet {name} has no column {' and no column '.join(absent)} "
            f"(it has {', '.join(header)}). Its first row must name the columns."
        )
    ragged = [number for number, cells in table[1:] if any(cells[len(header) :])]
    if ragged:
        raise IntakeError(
            f"The sample sheet {name} has more cells than columns in row "
            f"{', '.join(map(str, ragged))}. Quote cells that hold a separator."
        )
    columns = (*columns, *(column.name for column in readers.columns(header)))
    faults = [
        f"{cell.fault} (column {column!r})"
        for _, cells in table[1:]
        for column, cell in zip(header, cells, strict=False)
        if column in columns and isinstance(cell, BadCell)
    ]
    if faults:
        raise IntakeError(
            "\n  ".join([f"The sample sheet {name} has cells that can't be trusted:", *faults])
        )
    numbered = []
    for number, cells in table[1:]:
        values = dict(zip(header, cells, strict=False))
        numbered.append((number, {column: values.get(column, "") for column in columns}))
    numbered.sort(key=lambda pair: (pair[1]["patient"], pair[1]["center"]))
    ignored = [column for column in header if column and column not in columns]
    return Sheet([row for _, row in numbered], [number for number, _ in numbered], ignored)


def _is_filled(cell):
    return bool(cell) or isinstance(cell, BadCell)


def series_of(row, phase):
    """Which series of a DICOM folder the sheet asks for ('' where it doesn't)."""
    return row.get(f"{phase}_series") or row.get("series") or ""
