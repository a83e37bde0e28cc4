"""What a hospital sends back, from its prediction tables or from its statistics."""

import re

from nodestage.core import files
from nodestage.exchange import returned

PROSE = {
    returned.ROWS: (
        "One row a patient whose lymph-node status is known. Rows are sorted by what they hold and",
        "then numbered, so that neither place nor number tells who it is.",
    ),
    returned.SUMMARIES: ("Summaries of each method alone: no row is about one patient.",),
}
FIRST = "What a hospital sends back to the team that made the model. Nothing else is in this file."
# Words of each sentence about a failed registration (`registration.phases`) and about a mask that
# radiomics can't use (`radiomics.extraction`).
FAILURES = ("phases share", "no more alike", "similarity after", "voxels fold", "implausible")
MASKS = ("the tumor mask", "no two of the")


def rows(metastasis, predictions):
    """One row a patient, sorted by content: the same whatever patients are called or listed.

    Parameters
    ----------
    metastasis : {patient: 0 or 1} of those whose status is known
    predictions : {method: rows with patient, score, probability, call, reason}

    Returns
    -------
    list of dicts with `returned.columns`
    """
    by_patient = {
        method: {row["patient"]: row for row in found} for method, found in predictions.items()
    }
    found = []
    for patient, label in metastasis.items():
        row = {"metastasis": str(int(label))}
        for method, theirs in by_patient.items():
            for part in returned.PARTS:
                told = reason if part == "reason" else _number
                row[f"{method}.{part}"] = told(theirs[patient][part])
        found.append(row)
    found.sort(key=lambda row: list(row.values()))
    return [{"number": str(i)} | row for i, row in enumerate(found, start=1)]


def reason(text):
    """The one of `returned.REASONS` that a reason amounts to; its own words stay in the house."""
    text = re.sub(r"^unscored in \d+ of \d+ folds: ", "", text)
    if text in ("", *returned.REASONS):
        return text
    if any(words in text for words in FAILURES):
        return returned.FAILED
    if text.startswith(MASKS):
        return returned.SMALL
    return returned.NO_THRESHOLD if text.startswith("no threshold") else returned.OTHER


def summaries(performance):
    """Rows with `returned.SUMMARY_COLUMNS`, from a center's performance.tsv."""
    return [
        {"method": row["method"], "metric": row["metric"]}
        | {key: _number(row[key]) for key in returned.ESTIMATES}
        | {key: str(int(row[key])) for key in returned.COUNTS}
        for row in performance
        if row["metric"] in returned.METRICS
    ]


def write(path, head, found, methods):
    """Write the file.

    Parameters
    ----------
    head : {key: value} with the keys of `returned.HEAD`
    found : what `rows` or `summaries` gave, as `head["holds"]` says
    methods : names, in the order of the tables
    """
    holds = head["holds"]
    columns = returned.columns(methods) if holds == returned.ROWS else returned.SUMMARY_COLUMNS
    lines = [f"# {line}" for line in (FIRST, *PROSE[holds])]
    lines += [f"# {key}: {head[key]}  ({words})" for key, words in returned.HEAD.items()]
    lines += ["\t".join(columns), *("\t".join(row[c] for c in columns) for row in found)]
    files.write_text(path, "\n".join(lines) + "\n")


def _number(text):
    """A cell as a number and nothing else, with every digit; empty where it is empty."""
    if text in ("", None):
        return ""
    value = float(text)
    return str(int(value)) if value.is_integer() else repr(value)
