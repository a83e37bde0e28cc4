"""Whether a hospital's summaries are consistent, since they come without rows of patients.

Consistent numbers may still be made up.
"""

import itertools
import math

from nodestage.exchange import returned

INTERVALS = (("low", "high"), ("low_delong", "high_delong"), ("low_exact", "high_exact"))
CALLS = ("balanced_accuracy", "accuracy", "sensitivity", "specificity")
ROUNDING = 1e-6
"""Digits that a spreadsheet may have cut off; `make score` writes them all."""

MIN_ERROR = math.sqrt(0.0125)
"""Of an interval's width. Outside a 95 % percentile interval, or on its ends, lie 2.5 % of the
resamples on each side, so that their variance is at least 0.025 times half the squared width."""


def faults(rows, head):
    """What can't be true in a file of summaries, each fault with its row.

    Parameters
    ----------
    rows : with `returned.SUMMARY_COLUMNS` as text, every cell a number or empty
    head : the file's head; `patients` and `positives` count all whose status is known

    Returns
    -------
    list of sentences
    """
    sentences = [fault for row in rows for fault in _of_row(row, head)]
    for method in dict.fromkeys(row["method"] for row in rows):
        of_method = {row["metric"]: row for row in rows if row["method"] == method}
        if not sentences and all(metric in of_method for metric in CALLS):
            sentences += _between_rows(of_method)
    return sentences


def standard_error(rows):
    """Standard errors of a method's shares from their counts, the limit of a bootstrap within class.

    Parameters
    ----------
    rows : {metric: row} of one method, in which `faults` sees nothing wrong

    Returns
    -------
    {metric: float} of those that sensitivity and specificity determine, as far as they are defined
    """
    n, positives = (int(rows["sensitivity"][key]) for key in ("n", "positives"))
    errors = {}
    for metric, patients in (("sensitivity", positives), ("specificity", n - positives)):
        if rows[metric]["estimate"]:
            share = _share(rows[metric])
            errors[metric] = math.sqrt(share * (1 - share) / patients)
    # A class without patients adds nothing to accuracy; balanced accuracy is undefined then.
    positive, negative = errors.get("sensitivity", 0.0), errors.get("specificity", 0.0)
    if rows["accuracy"]["estimate"]:
        errors["accuracy"] = math.hypot(positives * positive, (n - positives) * negative) / n
    if rows["balanced_accuracy"]["estimate"]:
        errors["balanced_accuracy"] = math.hypot(positive, negative) / 2
    return errors


def _of_row(row, head):
    """Faults of one row, by itself or against the head."""
    who = f"{row['metric']} of {row['method']}"
    n, positives, all_patients = (int(row[key]) for key in returned.COUNTS)
    of_class = {"positives": int(head["positives"])}
    of_class["negatives"] = int(head["patients"]) - of_class["positives"]
    if n == all_patients and positives != of_class["positives"]:
        yield (
            f"{who}: it has {positives} positives of all {n} patients, and the head "
            f"{of_class['positives']}"
        )
    for name, count in (("positives", positives), ("negatives", n - positives)):
        if n < all_patients and count > of_class[name]:
            yield f"{who}: it has more {name} than the head"
    for low, high in INTERVALS:
        if bool(row[low]) != bool(row[high]):
            there, absent = (low, high) if row[low] else (high, low)
            yield f"{who}: {there} is given without {absent}"
        elif row[low] and row["estimate"] and not _rise(row[low], row["estimate"], row[high]):
            yield f"{who}: {low}, estimate and {high} are not in ascending order"
    if not row["estimate"]:
        if any(row[key] for ends in INTERVALS for key in ends) or row["se"]:
            yield f"{who} has another number without an estimate"
        return
    if row["worst_case"] and not _rise(row["worst_case"], row["estimate"]):
        yield f"{who}: its worst case is better than its estimate"
    if row["low"] and row["high"] and row["se"] and row["metric"] not in CALLS:
        minimum = MIN_ERROR * (float(row["high"]) - float(row["low"]))
        if float(row["se"]) < minimum - ROUNDING:
            yield f"{who}: its se is too small for its interval"
    patients = _patients(row)
    if patients is not None:
        if not patients:
            yield f"{who} has an estimate and no patient"
        elif abs(float(row["estimate"]) - _share(row)) > ROUNDING:
            yield f"{who}: its estimate is not a share of {patients} patients"


def _between_rows(rows):
    """Faults between the rows of one method; {metric: row}."""
    sensitivity, specificity = rows["sensitivity"], rows["specificity"]
    n, positives = (int(sensitivity[key]) for key in ("n", "positives"))
    for metric in CALLS:
        if [rows[metric][key] for key in ("n", "positives")] != [str(n), str(positives)]:
            yield f"{metric} of {rows[metric]['method']}: n and positives differ from those of sensitivity"
            return
    right = {
        "balanced_accuracy": (0.5, 0.5),
        "accuracy": (positives / n, 1 - positives / n) if n else (0.0, 0.0),
    }
    for metric, weights in right.items():
        row = rows[metric]
        parts = [(r, w) for r, w in zip((sensitivity, specificity), weights, strict=True) if w]
        known = bool(parts) and all(r["estimate"] for r, _ in parts)
        follows = sum(w * _share(r) for r, w in parts) if known else None
        wrong = known != bool(row["estimate"]) or (
            known and abs(float(row["estimate"]) - follows) > ROUNDING
        )
        if wrong:
            yield f"{metric} of {row['method']}: it doesn't follow from sensitivity and specificity"


def _patients(row):
    """How many patients a share is of; None where the metric is not a share."""
    n, positives = int(row["n"]), int(row["positives"])
    return {"sensitivity": positives, "specificity": n - positives, "accuracy": n}.get(
        row["metric"]
    )


def _share(row):
    """The share of its patients that is nearest to the estimate."""
    patients = _patients(row)
    return round(float(row["estimate"]) * patients) / patients


def _rise(*texts):
    return all(float(a) <= float(b) + ROUNDING for a, b in itertools.pairwise(texts))
