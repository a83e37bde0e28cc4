"""Workbooks (.xlsx) as text, cell by cell as their author sees them."""

import re
import warnings
import zipfile
from collections import Counter

from nodestage.core.errors import InputError

MAX_UNPACKED = 300_000_000  # bytes of a workbook's parts, pictures included
MAX_SHEET = 60_000_000  # bytes of its sheets; one of 5,000 patients has some 5 MB
ADDRESS = re.compile(rb'<(?:\w+:)?c\s[^>]*?\br="([A-Z]{1,3}[0-9]{1,7})"')
SHEET = "samples"
DIGITS = 15  # a spreadsheet stores no more of a number
PLAIN = re.compile(r"0+(\.0+)?")


class BadCell(str):
    """A workbook's cell that can't be trusted; `fault` gives the reason and the address.

    Whoever needs the cell raises; in a column that nobody reads it does no harm.
    """

    fault = ""


def lines(path, what):
    """(row number, cells) of the sheet `samples`, or of the only sheet with a table.

    A cell is a `BadCell` where a formula has no stored value, the number shown is not the number
    stored, or the cell is part of a merged block.
    """
    try:
        _check_parts(path, what)
        book = _opened(path, stored=False)
        page = _page(book, what)
        rows = _rows(page)
        stored = page
        if any(cell.data_type == "f" for row in rows.values() for cell in row.values()):
            stored = _opened(path, stored=True)[page.title]
    except InputError:
        raise
    except Exception as error:  # a damaged workbook fails in zip, XML or any of its parts
        raise InputError(
            f"{what} can't be opened as a workbook ({type(error).__name__}). Save it again as .xlsx or .tsv."
        ) from error
    merged = _merged(page)
    table = []
    for number, row in sorted(rows.items()):
        cells = [""] * max(row)
        for column, cell in row.items():
            cells[column - 1] = _text(cell, stored.cell(number, column), merged)
        if any(cells) or any(isinstance(cell, BadCell) for cell in cells):
            table.append((number, cells))
    return table


def _check_parts(path, what):
    """Refuse a workbook that unpacks to too much, or names a cell twice: one of the two would be lost."""
    with zipfile.ZipFile(path) as parts:
        sheets = [p for p in parts.infolist() if p.filename.startswith("xl/worksheets/")]
        unpacked = sum(part.file_size for part in parts.infolist())
        if unpacked > MAX_UNPACKED or sum(part.file_size for part in sheets) > MAX_SHEET:
            raise InputError(
                f"{what} unpacks to {unpacked / 1e6:.0f} MB, more than any sample sheet. "
                "Save the sheet alone as .xlsx or .tsv."
            )
        for sheet in sheets:
            twice = [a for a, n in Counter(ADDRESS.findall(parts.read(sheet))).items() if n > 1]
            if twice:
                raise InputError(
                    f"{what} holds the cell {twice[0].decode()} twice ({len(twice)} cells in all): one of the two would be "
                    "lost. Open it in a spreadsheet program and save it again."
                )


def _opened(path, stored):
    # Not `read_only`, which believes the sheet's dimension tag: a wrong one hides rows.
    import openpyxl

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are about looks, and may show a cell's text
        return openpyxl.load_workbook(path, data_only=stored)


def _rows(page):
    """{row number: {column number: cell}} of the cells that a workbook holds, empty rows left out.

    Not by `iter_rows`, which makes every cell up to the last one: one at XFD1048576 fills the memory.
    """
    rows = {}
    for (number, column), cell in page._cells.items():
        rows.setdefault(number, {})[column] = cell
    return rows


def _page(book, what):
    if SHEET in book.sheetnames:
        return book[SHEET]
    pages = [page for page in book.worksheets if page.max_row > 1 or page["A1"].value is not None]
    if len(pages) > 1:
        raise InputError(
            f"{what} has {len(pages)} sheets ({', '.join(page.title for page in pages[:5])}). "
            f"Name the one that is meant {SHEET!r}, or remove the others."
        )
    return pages[0] if pages else book.worksheets[0]


def _merged(page):
    """Addresses of the cells of merged blocks, but for the first of each: {address: block}."""
    blocks = {}
    for block in page.merged_cells.ranges:
        if block.size["rows"] * block.size["columns"] > 100_000:
            continue
        cells = [cell for row in block.cells for cell in [row]]
        blocks |= {cell: str(block) for cell in cells[1:]}
    return blocks


def _bad(cell, text):
    bad = BadCell("" if cell.value is None else str(cell.value))
    bad.fault = f"cell {cell.coordinate} {text}"
    return bad


def _text(cell, stored, merged):
    """A cell as the text that its author sees: 7 formatted as `000` is `007`."""
    if (cell.row, cell.column) in merged:
        return _bad(
            cell,
            f"is part of the merged block {merged[cell.row, cell.column]}, which has one value for all. "
            "Unmerge it and write each value",
        )
    value = stored.value
    if cell.data_type == "f" and value is None:
        return _bad(
            cell,
            "holds a formula without a stored value. Open the workbook in a spreadsheet program and save "
            "it, or write the value itself",
        )
    if stored.data_type == "e":
        return _bad(cell, f"shows the error {value}. Write the value itself")
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return _number(cell, value)
    return _bad(
        cell, f"holds a date or time ({value}). Format the column as text, and write what is meant"
    )


def _number(cell, value):
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    shown = getattr(cell, "number_format", "") or "General"
    if isinstance(value, int) and len(str(abs(value))) > DIGITS:
        return _bad(
            cell,
            f"holds a number of over {DIGITS} digits, which a spreadsheet rounds. Format the column as text, "
            "and write it again",
        )
    if shown in ("General", "@"):
        return str(value)
    if PLAIN.fullmatch(shown):
        whole, _, decimals = shown.partition(".")
        text = f"{value:.{len(decimals)}f}"
        if float(text) == value:
            if decimals:
                return str(value)
            return ("-" if value < 0 else "") + str(abs(value)).zfill(len(whole))
        return _bad(
            cell,
            f"shows {text}, but holds {value}. Format the column as text, and write what is meant",
        )
    return _bad(
        cell,
        f"holds the number {value}, but its format ({shown}) shows another text. Format the column as text, "
        "and write what is meant",
    )
