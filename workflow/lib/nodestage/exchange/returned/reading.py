"""Reading what a hospital sent back: every fault is named before any number is used."""

import difflib
import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from nodestage.core import handwritten, reasons
from nodestage.core.errors import InputError
from nodestage.exchange import returned
from nodestage.exchange.returned import plausible

SHOWN = 8
"""Faults of one file that a message lists; further ones are counted."""

ASK = "Ask the hospital for the file as `make score` wrote it"
COUNT = r"[0-9]{1,7}"
NUMBER = re.compile(r"-?([0-9]{1,30}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][-+]?[0-9]{1,3})?")
FORMS = {
    "nodestage": r"\S+",
    "bundle": r"[0-9a-f]{64}",
    "changed_code": r"[a-z0-9_]+(, [a-z0-9_]+)*",
    "holds": f"{returned.ROWS}|{returned.SUMMARIES}",
    **dict.fromkeys(("patients", "positives", "status_unknown", "substituted"), COUNT),
    "min_cell": COUNT,
    **dict.fromkeys(("organs", "tumor"), "predicted|given"),
}
"""The form of each key's value in the head."""

FORMER = ("another reason, told at the hospital alone",)
"""Sentences that files written before version 0.2.0 may give as a reason."""


@dataclass(frozen=True)
class Returned:
    """One center's file.

    Attributes
    ----------
    center : name in this study
    head : {key: text} with the keys of `returned.HEAD`
    rows : list of dicts of text, one per patient, or one per method and metric
    """

    center: str
    head: dict
    rows: list

    @property
    def summarised(self):
        """Whether it holds summaries alone."""
        return self.head["holds"] == returned.SUMMARIES

    @property
    def metastasis(self):
        """{patient: "0" or "1"} under codes made of the center's name and the file's numbers."""
        if self.summarised:
            return {}
        width = len(str(len(self.rows)))
        return {
            f"{self.center}-{int(row['number']):0{width}d}": row["metastasis"] for row in self.rows
        }

    @property
    def words(self):
        """What a report must mention about it, in sentences."""
        head, content = self.head, "summary tables"
        if not self.summarised:
            content = f"status and scores of {head['patients']} patients under new numbers"
        sentences = [
            f"{self.center} scored its patients at its own site, with the same frozen models, and sent "
            f"back {content}. Pictures, image quality and clinical columns stayed there."
        ]
        if self.summarised:
            sentences.append(
                "Its figures are shown as it reports them. Paired tests, curves and calibration need "
                "one row per patient and are not available."
            )
        if int(head["status_unknown"]):
            sentences.append(
                f"Patients left out because their status is unknown: {head['status_unknown']}."
            )
        if head["changed_code"] != "none":
            sentences.append(
                f"The code there differed from that of the bundle ({head['changed_code']}): scores may "
                "differ from those that this study would compute."
            )
        return " ".join(sentences)


def read(path, center, methods=None):
    """Read and check what can be checked without the bundle.

    Parameters
    ----------
    path : the file
    center : name of the center in this study
    methods : the study's methods; None where they aren't known yet

    Returns
    -------
    Returned; raises one `InputError` that lists the file's faults
    """
    lines = _lines(path, center)
    comments = [line[0] for line in lines if line[0].startswith("#")]
    if any(line[0].startswith("#") for line in lines[len(comments) :]):
        _stop(center, ["a line that begins with # stands in or below its table"])
    refusal = [line for line in comments if line.startswith(f"# {returned.REFUSED}: ")]
    if refusal:
        _stop(
            center,
            ["it sends nothing back, since a class there has too few patients (`packet.min_cell`)"],
            "Leave the center out",
        )
    head = _head(comments)
    if not head:
        _stop(center, ["it has none of the lines `# key: value` at its head"])
    table = [line for line in lines if not line[0].startswith("#")]
    keys = Counter(line.lstrip("# ").partition(": ")[0] for line in comments)
    _stop(center, [f"its line `# {key}: …` stands there twice" for key in head if keys[key] > 1])
    faults = [
        f"its line `# {key}: …` {'is missing' if key not in head else f'reads {head[key]!r}'}"
        for key, form in FORMS.items()
        if not re.fullmatch(form, head.get(key, ""))
    ]
    if not table:
        faults.append("it has no table")
    _stop(center, faults)
    columns = table[0]
    names = methods or _methods(columns, table, head)
    faults += _of_columns(columns, names, head)
    _stop(center, faults)
    faults += [
        f"line {i} of its table has {len(cells)} cells, not {len(columns)}"
        for i, cells in enumerate(table[1:], start=1)
        if len(cells) != len(columns)
    ]
    _stop(center, faults)
    rows = [dict(zip(columns, cells, strict=True)) for cells in table[1:]]
    _stop(
        center, (_of_rows if head["holds"] == returned.ROWS else _of_summaries)(rows, names, head)
    )
    return Returned(center, head, rows)


def check_bundle(file, digest):
    """Raise `InputError` unless the file's scores come from the bundle whose manifest has this digest."""
    if file.head["bundle"] != digest:
        _stop(
            file.center,
            [
                f"its scores come from another bundle ({file.head['bundle'][:12]}…) than this study's "
                f"results/bundle ({digest[:12]}…)"
            ],
            "Send the hospital a new packet (`make packet`) and use the file that it then returns; or "
            "set the study back to what it was when the packet was made",
        )


def predictions(file, frozen):
    """Prediction rows of each method, after every call was checked against the frozen thresholds.

    Parameters
    ----------
    file : Returned, with rows
    frozen : {method: that method's records of all folds (`predictions.freeze`)}

    Returns
    -------
    {method: rows with `predictions.COLUMNS`}
    """
    from nodestage.core import predictions

    tables, faults = {}, []
    for method, records in frozen.items():
        cut, _ = predictions.mean_threshold(records)
        whole = records[0]["call_is_score"]
        tables[method] = []
        for patient, row in zip(file.metastasis, file.rows, strict=True):
            score, probability, call, reason = (row[f"{method}.{p}"] for p in returned.PARTS)
            called = predictions.call_of(float(score), cut, whole) if score else None
            wanted = "" if called is None else str(called)
            if whole and score and not predictions.is_share(float(score), len(records)):
                faults.append(
                    f"number {row['number']}: {method} has the score {score}, which no votes of "
                    f"{len(records)} folds give"
                )
            elif call != wanted:
                faults.append(
                    f"number {row['number']}: {method} has the call {call or 'none'!s}, but the score "
                    f"{score or 'none'} gives {wanted or 'none'} "
                    + ("(the majority of the folds' votes)" if whole else f"(threshold {cut})")
                )
            values = (patient, "external", _float(score), _float(probability), call, reason)
            tables[method].append(dict(zip(predictions.COLUMNS, values, strict=True)))
    _stop(file.center, faults)
    return tables


def performance(file):
    """Rows of performance.tsv from a file of summaries, each with a note that the center reports it.

    A share's standard error is that of its counts, not the file's: the random-effects mean
    over centers weighs by it.
    """
    rows, by_method = [], {}
    for row in file.rows:
        by_method.setdefault(row["method"], {})[row["metric"]] = row
    errors = {method: plausible.standard_error(of) for method, of in by_method.items()}
    for row in file.rows:
        error = errors[row["method"]].get(row["metric"])
        row = row if error is None or not row["se"] else row | {"se": repr(error)}
        absent = int(row["n_all"]) - int(row["n"])
        notes = ["reported by the center"]
        hidden = not int(row["n"]) and int(file.head["min_cell"]) > 1
        notes += [] if row["estimate"] or hidden else ["undefined there"]
        if hidden:
            notes.append(
                f"none or not sent: fewer than {file.head['min_cell']} scored patients of a class"
            )
        elif absent:
            notes.append(reasons.sentence("without_value", n=absent, patients=row["n_all"]))
        rows.append({"basis": "ensemble", **row, "note": "; ".join(notes)})
    return rows


def _lines(path, center):
    what = f"center {center}: the file that `returned` names"
    if not Path(path).exists():
        _stop(
            center,
            ["it can't be read"],
            "Give its path (from the study's folder), or leave out the center",
        )
    # Nothing in it is quoted, but a spreadsheet may have done so.
    table = handwritten.lines(path, what, header=False, delimiter="\t")
    return [cells for _, cells in table]


def _head(lines):
    """{key: value} of the lines `# key: value  (words)`; a sentence has no key."""
    parts = (line.lstrip("# ").partition(": ") for line in lines)
    return {k: v.partition("  (")[0].strip() for k, _, v in parts if k in returned.HEAD}


def _methods(columns, table, head):
    """The methods that the file itself names."""
    if head["holds"] == returned.SUMMARIES:
        return list(dict.fromkeys(cells[0] for cells in table[1:]))
    return list(dict.fromkeys(c.partition(".")[0] for c in columns if "." in c))


def _of_columns(columns, methods, head):
    wanted = returned.columns(methods)
    if head["holds"] == returned.SUMMARIES:
        wanted = returned.SUMMARY_COLUMNS
    faults = [f"it has the column {c!r} {n} times" for c, n in Counter(columns).items() if n > 1]
    known = {column.rpartition(".")[2] for column in wanted}
    for column in dict.fromkeys(columns):
        method, dot, part = column.partition(".")
        if column in wanted:
            continue
        if dot and part in known:
            faults.append(f"{method!r} is not a method of this study{_near(method, methods)}")
        else:
            faults.append(
                f"the column {column!r} is not allowed: the file may hold status, scores, calls and "
                "reasons alone. Delete this copy if it identifies patients"
            )
    absent = [column for column in wanted if column not in columns]
    if absent:
        more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
        faults.append(f"the column {', '.join(map(repr, absent[:3]))}{more} is missing")
    return list(dict.fromkeys(faults))


def _of_rows(rows, methods, head):
    faults = []
    # No cell is repeated in a message: it may hold what should not have left the hospital.
    for i, row in enumerate(rows, start=1):
        who = f"row {i}"
        if not re.fullmatch("[1-9][0-9]{0,8}", row["number"]):
            faults.append(f"{who}: its number is not a whole number from 1")
        if row["metastasis"] not in ("0", "1"):
            empty = "empty" if row["metastasis"] == "" else "not 0 or 1"
            faults.append(f"{who}: metastasis is {empty}")
        for method in methods:
            score, probability, call, reason = (row[f"{method}.{p}"] for p in returned.PARTS)
            if not _is_number(score):
                faults.append(f"{who}: {method}.score is not a number")
            if not _is_number(probability, 0, 1):
                faults.append(f"{who}: {method}.probability is not within 0 and 1")
            if call not in ("", "0", "1"):
                faults.append(f"{who}: {method}.call is not 0 or 1")
            if reason and reason not in (*returned.REASONS.values(), *FORMER):
                faults.append(f"{who}: {method}.reason is not one of the allowed sentences")
            if not score and not reason:
                faults.append(f"{who}: {method} has neither score nor reason")
            if not score and (probability or call):
                faults.append(f"{who}: {method} has a probability or call without a score")
    for number, count in Counter(row["number"] for row in rows).items():
        if count > 1 and not faults:
            faults.append(f"number {number} occurs {count} times")
    if not faults and {int(row["number"]) for row in rows} != set(range(1, len(rows) + 1)):
        faults.append(f"its numbers are not those from 1 to {len(rows)}: rows are missing")
    counts = {"patients": len(rows), "positives": sum(r["metastasis"] == "1" for r in rows)}
    return faults + [
        f"its head announces {head[key]} {key}, but it holds {n}"
        for key, n in counts.items()
        if not faults and n != int(head[key])
    ]


def _of_summaries(rows, methods, head):
    faults = []
    pairs = Counter((row["method"], row["metric"]) for row in rows)
    for (method, metric), count in pairs.items():
        if method not in methods:
            faults.append(f"{method!r} is not a method of this study{_near(method, methods)}")
        if metric not in returned.METRICS:
            faults.append(f"{metric!r} is not a metric of such a file")
        if count > 1:
            faults.append(f"{metric} of {method} occurs {count} times")
    absent = [f"{m} of {x}" for x in methods for m in returned.METRICS if (x, m) not in pairs]
    faults += [f"{', '.join(absent[:3])} {'are' if absent[1:] else 'is'} missing"] if absent else []
    for row in rows:
        who = f"{row['metric']} of {row['method']}"
        bad = [key for key in returned.ESTIMATES if not _is_number(row[key], 0, 1)]
        bad += [key for key in returned.COUNTS if not re.fullmatch(COUNT, row[key])]
        if bad:
            faults.append(f"{who}: {bad[0]} is not allowed")
        elif (
            not int(row["positives"]) <= int(row["n"]) <= int(row["n_all"]) == int(head["patients"])
        ):
            faults.append(f"{who}: positives, n and n_all don't fit {head['patients']} patients")
    faults = list(dict.fromkeys(faults))
    return faults or plausible.faults(rows, head)


def _float(text):
    return float(text) if text else None


def _is_number(text, low=-math.inf, high=math.inf):
    """Whether a cell is empty or a finite number within bounds."""
    if text == "":
        return True
    if not NUMBER.fullmatch(text):  # float() would take 1_0 and digits of any script
        return False
    return math.isfinite(float(text)) and low <= float(text) <= high


def _near(name, known):
    close = difflib.get_close_matches(name, known, 1)
    return f" (did you mean {close[0]!r}?)" if close else f" (its methods: {', '.join(known)})"


def _stop(center, faults, fix=ASK):
    if not faults:
        return
    more = len(faults) - SHOWN
    listed = "; ".join([*faults[:SHOWN], *([f"and {more} more"] if more > 0 else [])])
    raise InputError(f"center {center}: the file that `returned` names: {listed}. {fix}.")
