"""The sample sheet checked whole: every fault of every row in one error.

Done when the workflow is parsed, in every job again: this module imports nothing
heavy at its top.
"""

import difflib
import functools
import re
from collections import Counter
from pathlib import Path

from nodestage.cohort import readers
from nodestage.cohort.centers import mask_phase
from nodestage.cohort.clinical import cell_rule
from nodestage.cohort.codes import date_in
from nodestage.cohort.faults import IntakeError
from nodestage.cohort.sheet import COLUMNS, IMAGES, MASKS
from nodestage.cohort.sheet_files import check_files

ALIKE = 5  # so many rows with one and the same fault are reported row by row
SCHEMA = Path(__file__).parents[3] / "schemas" / "samples.schema.yaml"


def check_sheet(rows, centers, *, files=True, base=None, frozen=False, clinical=None):
    """Raise one `IntakeError` that lists every fault of every row.

    Parameters
    ----------
    rows : what `read_sheet` gave, or any list of dicts with `patient` and `center`
    centers : {name: {role, mask_phase, organs: {source}, …}}, as in the config
    files : look whether files and folders are there (no header is opened)
    base : folder that relative paths start from (default: the working folder)
    clinical : {column: values or range} of the study's anatomy, where they aren't the usual ones
    frozen : a bundle scores the patients: every center is external, nothing is learned
    """
    numbers = getattr(rows, "numbers", range(2, len(rows) + 2))
    ignored = getattr(rows, "ignored", ())
    faults = _Faults()
    if not rows:
        faults.add((0, "", "patient"), "no patient in the sheet", "Write a row for each")
    _check_columns(rows, faults)
    # Rows made in memory may hold numbers and None.
    rows = [
        {key: "" if value is None else str(value) for key, value in row.items()} for row in rows
    ]
    _check_centers(rows, centers, faults, frozen)
    _check_values(rows, numbers, faults, clinical or {})
    _check_codes(rows, numbers, faults)
    _check_readers(rows, ignored, faults)
    for number, row in zip(numbers, rows, strict=True):
        if row["center"] in centers:
            _check_row(number, row, centers[row["center"]] or {}, faults)
        elif row["center"]:
            near = difflib.get_close_matches(row["center"], [str(c) for c in centers], 1)
            faults.add(
                (number, row["patient"], "center"),
                f"{row['center']!r} is not a center of the config"
                + (f" (did you mean {near[0]!r}?)" if near else ""),
                f"The centers are {', '.join(map(str, centers))}; add it under `centers` or correct the cell",
            )
    if files:
        check_files(rows, numbers, base, faults)
    faults.stop()


class _Faults:
    """Collected faults; paths are kept apart, for the terminal alone."""

    def __init__(self):
        self.faults = []

    def add(self, where, finding, hint, path=""):
        """`where`: row number (0: the whole sheet), patient, column."""
        self.faults.append((*where, finding, hint, path))

    def stop(self):
        if not self.faults:
            return
        self.faults.sort(key=lambda fault: (fault[0], fault[2]))
        plain, full, listed = [], [], set()
        alike = Counter(fault[2:5] for fault in self.faults)
        for number, patient, column, finding, hint, path in self.faults:
            what = (column, finding, hint)
            if what in listed:
                continue
            where = f"row {number}, patient {patient or '(empty)'}" if number else "all rows"
            if alike[what] > ALIKE:  # one line, lest it drown the others
                listed.add(what)
                where = f"{alike[what]} rows, the first {where}"
            plain.append(f"  {where}, {column}: {finding}. {hint}")
            full.append(f"  {where}, {column}: {finding}{f' ({path})' if path else ''}. {hint}")
        one = len(self.faults) == 1
        head = f"The sample sheet has {len(self.faults)} {'fault' if one else 'faults'}:"
        error = IntakeError("\n".join([head, *plain]))
        error.full = "\n".join([head, *full])
        raise error


@functools.lru_cache(maxsize=1)
def _schema():
    import yaml

    return yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))


def _check_columns(rows, faults):
    for column in getattr(rows, "ignored", ()):
        near = difflib.get_close_matches(column, COLUMNS, 1, cutoff=0.8)
        if near and not any(row.get(near[0]) for row in rows):
            faults.add(
                (0, "", column),
                f"no such column, but {near[0]!r} is empty",
                f"Name it {near[0]!r} if that is meant, or give it a name less alike",
            )


def _check_centers(rows, centers, faults, frozen):
    if frozen:
        for name in centers if rows else ():
            if not any(row["center"] == name for row in rows):
                faults.add(
                    (0, "", "center"),
                    f"no patient belongs to the center {name!r} of the config",
                    "Add its patients, correct the column, or take the center out of the config",
                )
        for name, settings in centers.items():
            role = (settings or {}).get("role")
            if role != "external":
                faults.add(
                    (0, "", "center"),
                    f"center {name!r} of the config has the role {role!r}",
                    "With a `bundle` nothing is trained: every center is external",
                )
        return
    discovery = [
        name for name, settings in centers.items() if (settings or {}).get("role") == "discovery"
    ]
    if len(discovery) != 1:
        faults.add(
            (0, "", "center"),
            f"{len(discovery)} centers have the role discovery ({', '.join(discovery) or 'none'})",
            "Exactly one must have it; models learn from it",
        )
        return
    patients = [row for row in rows if row["center"] == discovery[0]]
    if not patients:
        faults.add(
            (0, "", "center"),
            f"no patient belongs to the discovery center {discovery[0]!r}",
            "Add its patients, or correct the center's name",
        )
    elif not any(row.get("lymph_nodes") for row in patients):
        faults.add(
            (0, "", "lymph_nodes"),
            f"no patient of the discovery center {discovery[0]!r} has a lymph-node mask",
            "The networks learn from these: give them for the discovery center",
        )


def _check_values(rows, numbers, faults, clinical):
    """Each cell against its column's entry in the schema, whose `x-hint` is the advice."""
    (of_readers,) = _schema()["patternProperties"].values()
    names = dict.fromkeys(name for row in rows for name in row)
    added = {column: cell_rule(column, values) for column, values in clinical.items()}
    properties = {**_schema()["properties"], **added} | {
        column.name: of_readers for column in readers.columns(names)
    }
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
                faults.add((number, row["patient"], column), finding, rule["x-hint"])


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


def _check_readers(rows, ignored, faults):
    """The columns of readers as a whole, once each of their cells is right."""
    (of_readers,) = _schema()["patternProperties"].values()
    names = [c.name for c in readers.columns(name for row in rows for name in row)]
    good = [{n: row[n] for n in names if n in row and fits(row[n], of_readers)} for row in rows]
    for column, finding, hint in readers.faults(good, ignored):
        faults.add((0, "", column), finding, hint)


def _check_codes(rows, numbers, faults):
    first = {}
    for number, row in sorted(zip(numbers, rows, strict=True), key=lambda pair: pair[0]):
        code = row["patient"]
        if not code:
            continue
        date = date_in(code)
        if date:
            faults.add(
                (number, code, "patient"),
                f"{date!r} reads as a date",
                "Codes stand in every file, log and report: give one that says nothing about the patient",
            )
        # On a disk that knows no case, P1 and p1 would be one file.
        before = first.setdefault(code.lower(), (number, row))
        if before[0] == number:
            continue
        same = before[1]["patient"] == code
        faults.add(
            (number, code, "patient"),
            f"{code!r} stands in row {before[0]} too"
            + ("" if same else f", as {before[1]['patient']!r}")
            + (f" (center {before[1]['center']})" if before[1]["center"] != row["center"] else ""),
            "Codes are unique in the whole study"
            + (", capitals aside" if not same else "")
            + ": rename one, or remove the row",
        )


def _check_row(number, row, settings, faults):
    def fault(column, finding, hint):
        faults.add((number, row["patient"], column), finding, hint)

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
            "both arterial and venous are empty",
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
    if stage[:1] == "N" and status and (status == "0") != (stage == "N0"):
        fault(
            "metastasis",
            f"metastasis {status} contradicts pn_stage {row['pn_stage']}",
            "N0 means 0, N1 and higher mean 1: correct one, or empty what is unknown",
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
        fault("organ_set", "empty beside an organ mask", "Write train, validation or test")
    if role == "external" and row.get("organ_set") in ("train", "validation"):
        fault(
            "organ_set",
            f"{row['organ_set']!r} in an external center",
            "Nothing learns from an external center: use test, or leave it empty",
        )
