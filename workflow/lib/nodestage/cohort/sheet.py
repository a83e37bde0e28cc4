"""The sample sheet: read as text, checked whole.

Read when the workflow is parsed, in every job again: this module imports nothing
heavy at its top.
"""

import csv
import difflib
import functools
import os
import re
from pathlib import Path

from nodestage.cohort.faults import IntakeError

SCHEMA = Path(__file__).parents[3] / "schemas" / "samples.schema.yaml"
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
    found = []
    for number, cells in table[1:]:
        given = dict(zip(header, cells, strict=False))
        found.append((number, {column: given.get(column, "") for column in columns}))
    found.sort(key=lambda pair: (pair[1]["patient"], pair[1]["center"]))
    ignored = [column for column in header if column and column not in columns]
    return Sheet([row for _, row in found], [number for number, _ in found], ignored)


def series_of(row, phase):
    """Which series of a DICOM folder the sheet asks for ('' where it doesn't)."""
    return row.get(f"{phase}_series") or row.get("series") or ""


@functools.lru_cache(maxsize=1)
def _schema():
    import yaml

    return yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))


class _Faults:
    """Collected faults; paths are kept apart, for the terminal alone."""

    def __init__(self):
        self.found = []

    def add(self, number, patient, column, finding, mend, path=""):
        self.found.append((number, patient, column, finding, mend, path))

    def stop(self):
        if not self.found:
            return
        self.found.sort(key=lambda fault: (fault[0], fault[2]))
        plain, full = [], []
        for number, patient, column, finding, mend, path in self.found:
            where = f"row {number}, patient {patient or '(empty)'}" if number else "all rows"
            plain.append(f"  {where}, {column}: {finding}. {mend}")
            full.append(f"  {where}, {column}: {finding}{f' ({path})' if path else ''}. {mend}")
        one = len(plain) == 1
        head = f"The sample sheet has {len(plain)} {'fault' if one else 'faults'}:"
        error = IntakeError("\n".join([head, *plain]))
        error.full = "\n".join([head, *full])
        raise error


def check_sheet(rows, centers, *, files=True, base=None, frozen=False):
    """Raise one `IntakeError` that lists every fault of every row.

    Parameters
    ----------
    rows : what `read_sheet` gave, or any list of dicts with `patient` and `center`
    centers : {name: {role, mask_phase, organs: {source}, …}}, as in the config
    files : look whether files and folders are there (no header is opened)
    base : folder that relative paths start from (default: the working folder)
    frozen : a bundle scores the patients: every center is external, nothing is learned
    """
    numbers = getattr(rows, "numbers", range(2, len(rows) + 2))
    faults = _Faults()
    _check_columns(rows, faults)
    # Rows made in memory may hold numbers and None.
    rows = [
        {key: "" if value is None else str(value) for key, value in row.items()} for row in rows
    ]
    _check_centers(rows, centers, faults, frozen)
    _check_values(rows, numbers, faults)
    _check_codes(rows, numbers, faults)
    for number, row in zip(numbers, rows, strict=True):
        if row["center"] in centers:
            _check_row(number, row, centers[row["center"]] or {}, faults)
        elif row["center"]:
            near = difflib.get_close_matches(row["center"], [str(c) for c in centers], 1)
            faults.add(
                number,
                row["patient"],
                "center",
                f"{row['center']!r} is no center of the config"
                + (f" (did you mean {near[0]!r}?)" if near else ""),
                f"It knows {', '.join(map(str, centers))}; add it under `centers` or correct the cell",
            )
    if files:
        _check_files(rows, numbers, base, faults)
    faults.stop()


def _check_columns(rows, faults):
    for column in getattr(rows, "ignored", ()):
        near = difflib.get_close_matches(column, COLUMNS, 1, cutoff=0.8)
        if near and not any(row.get(near[0]) for row in rows):
            faults.add(
                0,
                "",
                column,
                f"no such column, but {near[0]!r} is empty",
                f"Name it {near[0]!r} if that is meant, or give it a name less alike",
            )


def _check_centers(rows, centers, faults, frozen):
    if frozen:
        for name, settings in centers.items():
            role = (settings or {}).get("role")
            if role != "external":
                faults.add(
                    0,
                    "",
                    "center",
                    f"center {name!r} of the config has the role {role!r}",
                    "With a `bundle` nothing is trained: every center is external",
                )
        return
    discovery = [
        name for name, settings in centers.items() if (settings or {}).get("role") == "discovery"
    ]
    if len(discovery) != 1:
        faults.add(
            0,
            "",
            "center",
            f"{len(discovery)} centers have the role discovery ({', '.join(discovery) or 'none'})",
            "Exactly one must have it; models learn from it",
        )
        return
    theirs = [row for row in rows if row["center"] == discovery[0]]
    if not theirs:
        faults.add(
            0,
            "",
            "center",
            f"no patient belongs to the discovery center {discovery[0]!r}",
            "Add its patients, or correct the center's name",
        )
    elif not any(row.get("lymph_nodes") for row in theirs):
        faults.add(
            0,
            "",
            "lymph_nodes",
            f"no patient of the discovery center {discovery[0]!r} has a lymph-node mask",
            "The networks learn from these: give them for the discovery center",
        )


def _check_values(rows, numbers, faults):
    """Each cell against its column's entry in the schema, whose `x-mend` is the advice."""
    properties = _schema()["properties"]
    good = set()  # cells repeat: each distinct value is checked once
    for number, row in zip(numbers, rows, strict=True):
        for column, rule in properties.items():
            value = row.get(column, "")
            if (column, value) in good:
                continue
            if fits(value, rule):
                good.add((column, value))
            else:
                finding = f"{value!r} is not allowed" if value else "empty"
                faults.add(number, row["patient"], column, finding, rule["x-mend"])


def fits(value, rule):
    """Whether a cell obeys its column's rule.

    The four keywords that the schema uses, since every job parses the workflow and would
    pay 0.3 s for importing jsonschema; a test holds both to the same verdicts. `x-range`,
    bounds of a number written as text, is ours.
    """
    if "enum" in rule and value not in rule["enum"]:
        return False
    if len(value) < rule.get("minLength", 0) or not re.search(rule.get("pattern", ""), value):
        return False
    if value and "x-range" in rule:
        low, high = rule["x-range"]
        return low <= float(value) <= high
    return True


def _check_codes(rows, numbers, faults):
    first = {}
    for number, row in sorted(zip(numbers, rows, strict=True), key=lambda pair: pair[0]):
        code = row["patient"]
        if not code:
            continue
        # On a disk that knows no case, P1 and p1 would be one file.
        before = first.setdefault(code.lower(), (number, row))
        if before[0] == number:
            continue
        same = before[1]["patient"] == code
        faults.add(
            number,
            code,
            "patient",
            f"{code!r} stands in row {before[0]} too"
            + ("" if same else f", as {before[1]['patient']!r}")
            + (f" (center {before[1]['center']})" if before[1]["center"] != row["center"] else ""),
            "Codes are unique in the whole study"
            + (", capitals aside" if not same else "")
            + ": rename one, or remove the row",
        )


def mask_phase(settings, role):
    """The phase that a center's masks were drawn on: one for all, or one a mask column."""
    phase = settings.get("mask_phase") or "venous"
    return phase.get(role, "venous") if isinstance(phase, dict) else phase


def label_system(settings, role):
    """A center's class ids for one mask column; None where they are ours.

    `label_system` is either a mapping for organs alone, or one mapping a mask column.
    """
    system = settings.get("label_system") or {}
    if set(system) & set(MASKS):
        return system.get(role) or None
    return (system or None) if role == "organs" else None


def _check_row(number, row, settings, faults):
    def fault(column, finding, mend):
        faults.add(number, row["patient"], column, finding, mend)

    role = settings.get("role")
    if settings.get("returned"):
        fault(
            "center",
            f"the patients of {row['center']} come from the file in its `returned`",
            "Remove the row, or leave out `returned` where the images are at hand",
        )
        return
    if not row.get("arterial") and not row.get("venous"):
        fault(
            "arterial",
            "neither arterial nor venous is given",
            "Give at least one phase, or remove the row",
        )
    for mask in MASKS:
        phase = mask_phase(settings, mask)
        if row.get(mask) and phase in IMAGES and not row.get(phase):
            fault(
                mask,
                f"the mask was drawn on the {phase} phase (mask_phase of center {row['center']}), which is empty",
                f"Give the {phase} image, empty the mask, or correct `mask_phase`",
            )
    for phase in IMAGES:
        if row.get(f"{phase}_series") and not row.get(phase):
            fault(
                f"{phase}_series",
                f"a series is chosen, but {phase} is empty",
                f"Give {phase}, or empty the cell",
            )
    if row.get("series") and row.get("arterial") and row.get("venous"):
        fault(
            "series",
            "one choice for two phases",
            "Use the columns `arterial_series` and `venous_series`",
        )
    stage, status = row.get("pn_stage", "").upper().removeprefix("P"), row.get("metastasis", "")
    if (status, stage) in {("1", "N0"), ("0", "N1"), ("0", "N2")}:
        fault(
            "metastasis",
            f"metastasis {status} contradicts pn_stage {row['pn_stage']}",
            "N0 means 0, N1 and N2 mean 1: correct one, or empty what is unknown",
        )
    if role == "discovery" and not status:
        fault(
            "metastasis",
            "empty in the discovery center",
            "Models learn from it: give 0 or 1, or remove the row",
        )
    if row.get("organ_set") and not row.get("organs"):
        fault(
            "organ_set",
            f"{row['organ_set']!r} without an organ mask",
            "Give the mask in `organs`, or empty the cell",
        )
    source = (
        (settings.get("organs") or {}).get("source")
        if isinstance(settings.get("organs"), dict)
        else None
    )
    if role == "discovery" and row.get("organs") and not row.get("organ_set") and source != "given":
        fault("organ_set", "empty beside an organ mask", "Say train, validation or test")
    if role == "external" and row.get("organ_set") in ("train", "validation"):
        fault(
            "organ_set",
            f"{row['organ_set']!r} in an external center",
            "Nothing learns from an external center: use test, or leave it empty",
        )


def _check_files(rows, numbers, base, faults):
    base = Path(base) if base is not None else Path()
    first = {}
    for number, row in sorted(zip(numbers, rows, strict=True), key=lambda pair: pair[0]):
        for column in (*IMAGES, *MASKS):
            if not row.get(column):
                continue
            path = os.path.normpath(base / row[column])

            def fault(finding, mend, number=number, row=row, column=column, path=path):
                faults.add(number, row["patient"], column, finding, mend, path)

            finding, mend = look_at(path, column)
            if finding:
                fault(finding, mend)
                continue
            key = (path, series_of(row, column))
            other = first.setdefault(key, (number, row["patient"], column))
            if other != (number, row["patient"], column):
                fault(
                    f"the same file as {other[2]} of row {other[0]}, patient {other[1]}",
                    "Each image and mask belongs to one patient and one column"
                    if column in MASKS
                    else "Give each its own; from one DICOM folder choose by `arterial_series` and `venous_series`",
                )


def look_at(path, column):
    """What is wrong with a path, and the mend; ('', '') if nothing."""
    if os.path.isdir(path):
        if column in MASKS:
            return "a folder, not a file", "A mask is one NIfTI file (.nii or .nii.gz)"
        with os.scandir(path) as entries:
            if next(entries, None) is None:
                return "the folder is empty", "Export the series into it again"
        return "", ""
    if not os.path.lexists(path):
        return (
            "not there",
            "Correct the path (relative ones start at the study's folder), or empty the cell",
        )
    if not os.path.exists(path):
        return "a link that leads nowhere", "Mend the link, or give the file's own path"
    if os.path.getsize(path) == 0:
        return "the file has 0 bytes", "Copy or export it again"
    if not os.access(path, os.R_OK):
        return "may not be read by this account", "Ask for the right to read it"
    lower = path.lower()
    if not lower.endswith((".nii", ".nii.gz")) and (
        column in MASKS
        or lower.endswith((".nrrd", ".mha", ".mhd", ".hdr", ".img", ".zip", ".gz", ".mgz"))
    ):
        return (
            "not a NIfTI file by its name",
            "Convert it to .nii.gz" + ("" if column in MASKS else ", or give a DICOM folder"),
        )
    return "", ""
