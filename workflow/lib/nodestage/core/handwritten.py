"""Tables that a person may have written: text in any usual form, or a workbook; read strictly.

One reader for the sample sheet, fold tables and returned files. Every line that was written is
read, or an error names the line (text) or the cell (workbook). Imports nothing heavy at its top:
the sample sheet is read again in every job.
"""

from pathlib import Path

from nodestage.core import files, workbooks
from nodestage.core.errors import InputError
from nodestage.core.workbooks import BadCell

MAX_BYTES = 50_000_000
MAX_CELL = 20_000  # characters; a remark is shorter, a cell that swallowed its neighbours longer
TEXT, WORKBOOK = (".tsv", ".txt", ".csv", ".tab"), (".xlsx", ".xlsm")
INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u200c\u200d\u2060"))


def lines(path, what, header=True, delimiter=None):
    """Lines of a table as (number in the file, list of cells), blanks around cells stripped.

    Parameters
    ----------
    path : .tsv, .txt, .tab, .csv (tab, semicolon or comma; UTF-8 or UTF-16) or .xlsx
    what : how messages name it, e.g. "The sample sheet samples.tsv"
    header : whether its first line names the columns; then a row may have no more cells than that
    delimiter : where only one is possible; then the file may have any suffix

    Raises
    ------
    InputError where it can't be read whole, naming the line or cell
    """
    path = Path(path)
    files.check_regular(path, what)
    if path.stat().st_size > MAX_BYTES:
        raise InputError(
            f"{what} has {path.stat().st_size / 1e6:.0f} MB; a table written by hand has at most "
            f"{MAX_BYTES / 1e6:.0f}. Give the table itself."
        )
    if path.suffix.lower() in WORKBOOK:
        table = workbooks.lines(path, what)
    elif path.suffix.lower() in TEXT or delimiter:
        table = _text_lines(decoded(path, what), what, header, delimiter)
    else:
        raise InputError(f"{what} is neither .tsv, .csv nor .xlsx. Save it as one of these.")
    table = [(number, [_stripped(cell) for cell in cells]) for number, cells in table]
    if header and table:
        _check_names(table, what)
    return table


def _check_names(table, what):
    """Refuse values below an empty name: their column would be lost, whichever it was."""
    names = table[0][1]
    for index, name in enumerate(names):
        if not name and not isinstance(name, BadCell):
            filled = [str(n) for n, cells in table[1:] if index < len(cells) and cells[index]]
            if filled:
                raise InputError(
                    f"{what} has no name for its column {index + 1}, which holds values (line {', '.join(filled[:3])}"
                    f"{' …' if filled[3:] else ''}). Name the column, or remove it."
                )


def decoded(path, what):
    """The text of a file in UTF-8 or, with its mark, UTF-16, as spreadsheets write it."""
    raw = Path(path).read_bytes()
    utf_16 = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        text = raw.decode("utf-16" if utf_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        shown = f" (byte {error.start} is 0x{raw[error.start]:02x})" if not utf_16 else ""
        raise InputError(
            f"{what} is not {'UTF-16, as its first bytes announce' if utf_16 else 'UTF-8'}{shown}. "
            "Save it again as 'CSV UTF-8' or tab-separated UTF-8 text."
        ) from error
    if "\0" in text:
        number = text[: text.index("\0")].count("\n") + 1
        raise InputError(
            f"{what} holds a zero byte in line {number}: damaged, or in another encoding. "
            "Save it again as 'CSV UTF-8' or tab-separated UTF-8 text."
        )
    return text


def _stripped(cell):
    if isinstance(cell, BadCell):
        return cell
    return cell.translate(INVISIBLE).strip()


def _text_lines(text, what, header, delimiter):
    """(number, cells) of each line that is not blank."""
    # Only these three end a line; str.splitlines would also break at characters within a cell.
    written = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    first = next((line for line in written if line.strip()), "")
    # A German or French Excel writes semicolons into its .csv.
    delimiter = delimiter or max("\t,;", key=first.count)
    table = []
    for number, line in enumerate(written, start=1):
        if line.strip():
            table.append((number, _cells(line, number, delimiter, what, table and table[0][1])))
    if header and len(table) > 1:
        _check_widths(table, written, delimiter, what)
    return table


def _cells(line, number, delimiter, what, names):
    """Cells of one line; a quote that opens a cell must close it on the same line."""

    def fault(text):
        index = len(cells)
        column = f", column {names[index]!r}" if names and index < len(names) else ""
        return InputError(f"{what}, line {number}{column or f', cell {index + 1}'}: {text}")

    cells, start = [], 0
    while True:
        if line[start : start + 1] == '"':
            parts, at = [], start + 1
            while True:
                end = line.find('"', at)
                if end < 0:
                    raise fault(
                        'a quote (") opens the cell and nothing closes it, so that following rows could be lost. '
                        "Remove it, or close it on the same line."
                    )
                parts.append(line[at:end])
                at = end + 1
                if line[at : at + 1] != '"':
                    break
                parts.append('"')
                at += 1
            if line[at : at + 1] not in ("", delimiter):
                raise fault('text follows the closing quote ("). Remove the quotes around it.')
            cell = "".join(parts)
        else:
            at = line.find(delimiter, start)
            at = len(line) if at < 0 else at
            cell = line[start:at]
        if len(cell) > MAX_CELL:
            raise fault(
                f"{len(cell)} characters in one cell, at most {MAX_CELL} are read. Shorten it."
            )
        cells.append(cell)
        if at >= len(line):
            return cells
        start = at + 1


def _check_widths(table, written, delimiter, what):
    """Refuse lines with more cells than columns, and a last line that was cut off."""
    number, names = table[0]
    width = len(names)
    long = [str(n) for n, cells in table[1:] if any(cell.strip() for cell in cells[width:])]
    if long:
        raise InputError(
            f"{what} has more cells than columns in line {', '.join(long[:10])}. "
            "Quote cells that hold a separator."
        )
    number, cells = table[-1]
    # An editor may strip tabs at the end of a line, but no program leaves out the line's end.
    if len(cells) < width and number == len(written) and width > 1:
        raise InputError(
            f"{what} ends within line {number}, after {len(cells)} of {width} cells: it was cut short. "
            "Copy it again, or end the last line with a line break."
        )
    short = [(n, cells) for n, cells in table[1:] if len(cells) < width]
    # An editor that strips tabs at the ends of lines does so in all of them.
    stripped = delimiter == "\t" and not any(
        len(cells) > 1 and not cells[-1].strip() for _, cells in table[1:]
    )
    if short and not stripped:
        short = [str(n) for n, _ in short]
        raise InputError(
            f"{what} has fewer cells than columns in line {', '.join(short[:10])}: the row is "
            "incomplete. Write a separator for each empty cell."
        )
