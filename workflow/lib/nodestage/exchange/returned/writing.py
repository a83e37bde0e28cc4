"""What a hospital sends back, from its prediction tables or from its statistics."""

from nodestage.core import files, reasons
from nodestage.exchange import returned

PROSE = {
    returned.ROWS: (
        "One row per patient whose lymph-node status is known. Rows are sorted by their content and",
        "then numbered, so that neither the order nor the number identifies a patient.",
    ),
    returned.SUMMARIES: ("Summaries of each method alone: no row is about one patient.",),
}
FIRST = "What a hospital sends back to the team that made the model. Nothing else is in this file."


def rows(metastasis, predictions):
    """One row per patient, sorted by content: codes and order in the sheet don't matter.

    Parameters
    ----------
    metastasis : {patient: 0 or 1} of those whose status is known
    predictions : {method: rows with patient, score, probability, call, reason}

    Returns
    -------
    list of dicts with `returned.columns`
    """
    by_patient = {
        method: {row["patient"]: row for row in of_method}
        for method, of_method in predictions.items()
    }
    unnumbered = []
    for patient, label in metastasis.items():
        row = {"metastasis": str(int(label))}
        for method, predicted in by_patient.items():
            for part in returned.PARTS:
                plain = reason if part == "reason" else _number
                row[f"{method}.{part}"] = plain(predicted[patient][part])
        unnumbered.append(row)
    unnumbered.sort(key=lambda row: list(row.values()))
    return [{"number": str(i)} | row for i, row in enumerate(unnumbered, start=1)]


def reason(text):
    """The one of `returned.REASONS` that stands for a reason; the reason itself stays at the hospital."""
    if not text:
        return ""
    codes = reasons.codes_of(text) - {"unscored_in_folds"}
    code = next(iter(codes)) if len(codes) == 1 else ""
    if codes and codes <= reasons.REGISTRATION_FAILED:
        code = "registration_failed"
    elif codes and codes <= reasons.MASK_UNUSABLE:
        code = "mask_too_small"
    elif code == "no_threshold":
        code = "threshold_not_frozen"
    return returned.REASONS.get(code, returned.REASONS["kept_at_hospital"])


def summaries(performance):
    """Rows with `returned.SUMMARY_COLUMNS`, from a center's performance.tsv."""
    return [
        {"method": row["method"], "metric": row["metric"]}
        | {key: _number(row[key]) for key in returned.ESTIMATES}
        | {key: str(int(row[key])) for key in returned.COUNTS}
        for row in performance
        if row["metric"] in returned.METRICS
    ]


def write(path, head, rows, methods):
    """Write the file.

    Parameters
    ----------
    head : {key: value} with the keys of `returned.HEAD`
    rows : of `rows` or `summaries` above, whichever `head["holds"]` names
    methods : names, in the order of the tables
    """
    holds = head["holds"]
    columns = returned.columns(methods) if holds == returned.ROWS else returned.SUMMARY_COLUMNS
    lines = [f"# {line}" for line in (FIRST, *PROSE[holds])]
    lines += [f"# {key}: {head[key]}  ({words})" for key, words in returned.HEAD.items()]
    lines += ["\t".join(columns), *("\t".join(row[c] for c in columns) for row in rows)]
    files.write_text(path, "\n".join(lines) + "\n")


def _number(text):
    """A cell as a number and nothing else, with every digit; empty where it is empty."""
    if text in ("", None):
        return ""
    value = float(text)
    return str(int(value)) if value.is_integer() else repr(value)
