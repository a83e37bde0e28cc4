"""The sample sheet, read as text.

Read when the workflow is parsed, in every job again: this module imports nothing
heavy at its top.
"""

import csv
import re
from pathlib import Path

from nodestage.cohort.faults import IntakeError

IMAGES = ("arterial", "venous")
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
    columns only `COLUMNS` and `extra` are kept, all of them present in each row;
    neither the order of rows nor other columns change what comes out.

    Returns
    -------
    Sheet: a list of dicts, sorted by patient
    """
    path = Path(path)
    if not path.is_file():
        raise IntakeError(
            f"The sample sheet {path.name} is not there. Give its path as `samples` in the config.",
            f"looked for {path.absolute()}",
        )
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        table = _read_workbook(path)
    elif path.suffix.lower() in (".tsv", ".txt", ".csv", ".tab"):
        table = _read_text(path)
    else:
        raise IntakeError(
            f"The sample sheet {path.name} is neither .tsv, .csv nor .xlsx. Save it as one of these."
        )
    return _rows(path.name, table, (*COLUMNS, *extra))


def _read_text(path):
    """Lines of a text table as (number, cells)."""
    raw = path.read_bytes()
    try:
        # Spreadsheets write a byte-order mark; "Unicode text" from Excel is UTF-16.
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise IntakeError(
            f"The sample sheet {path.name} is not UTF-8 (byte {error.start} is "
            f"0x{raw[error.start]:02x}). Save it again as 'CSV UTF-8' or tab-separated UTF-8 text."
        ) from error
    header = text.partition("\n")[0]
    # A German or French Excel writes semicolons into its .csv.
    delimiter = max("\t,;", key=header.count)
    reader = csv.reader(text.splitlines(), delimiter=delimiter)
    return [(reader.line_num, cells) for cells in reader]


def _read_workbook(path):
    """Rows of the sheet `samples`, or of the first one, as (number, cells)."""
    import zipfile

    import openpyxl

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, OSError, ValueError) as error:
        raise IntakeError(
            f"The sample sheet {path.name} can't be opened as a workbook "
            f"({type(error).__name__}). Save it again as .xlsx or .tsv."
        ) from error
    try:
        page = book["samples"] if "samples" in book.sheetnames else book.worksheets[0]
        return [
            (number, [_workbook_cell(cell) for cell in cells])
            for number, cells in enumerate(page.iter_rows(), start=1)
        ]
    finally:
        book.close()


def _workbook_cell(cell):
    """A cell as the text that its author sees: 7 formatted as `000` is `007`."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        shown = getattr(cell, "number_format", "") or ""
        return str(value).zfill(len(shown)) if re.fullmatch("0+", shown) else str(value)
    return str(value)


def _rows(name, table, columns):
    table = [(number, [cell.strip() for cell in cells]) for number, cells in table]
    table = [(number, cells) for number, cells in table if any(cells)]
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
    numbered = []
    for number, cells in table[1:]:
        values = dict(zip(header, cells, strict=False))
        numbered.append((number, {column: values.get(column, "") for column in columns}))
    numbered.sort(key=lambda pair: (pair[1]["patient"], pair[1]["center"]))
    ignored = [column for column in header if column and column not in columns]
    return Sheet([row for _, row in numbered], [number for number, _ in numbered], ignored)


def series_of(row, phase):
    """Which series of a DICOM folder the sheet asks for ('' where it doesn't)."""
    return row.get(f"{phase}_series") or row.get("series") or ""
