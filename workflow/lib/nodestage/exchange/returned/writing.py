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


def summaries(performance, min_cell=0):
    """Rows with `returned.SUMMARY_COLUMNS`, from a center's performance.tsv.

    Parameters
    ----------
    performance : rows of the table
    min_cell : scored patients of a class below which a method has no numbers at all: its `n` and
        `positives` are 0, since accuracy and the other class would give away what one metric hides
    """
    kept = [row for row in performance if row["metric"] in returned.METRICS]
    small = {row["method"] for row in kept if _has_small_class(row, min_cell)}
    return [
        {"method": row["method"], "metric": row["metric"]}
        | (
            dict.fromkeys(returned.ESTIMATES, "") | {"n": "0", "positives": "0"}
            if row["method"] in small
            else {key: _number(row[key]) for key in returned.ESTIMATES}
            | {key: str(int(row[key])) for key in ("n", "positives")}
        )
        | {"n_all": str(int(row["n_all"]))}
        for row in kept
    ]


def too_few(patients, positives, min_cell):
    """Whether summaries of a center would be about fewer than `min_cell` patients of a class."""
    return min(positives, patients - positives) < min_cell


def refuse(path, min_cell):
    """Write a file that holds nothing but the reason why; no count is in it."""
    lines = [
        f"# {FIRST}",
        f"# {returned.REFUSED}: fewer than {min_cell} patients with or without metastasis, so that no "
        "summary is sent back (packet.min_cell)",
    ]
    files.write_text(path, "\n".join(lines) + "\n")


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


def _has_small_class(row, min_cell):
    """Whether the patients behind a row are fewer than `min_cell` in a class; a row without any is none."""
    n, positives = int(row["n"]), int(row["positives"])
    return bool(n) and too_few(n, positives, min_cell)


def _number(text):
    """A cell as a number and nothing else, with every digit; empty where it is empty."""
    if text in ("", None):
        return ""
    value = float(text)
    return str(int(value)) if value.is_integer() else repr(value)
