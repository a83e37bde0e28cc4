"""Rows of coverage.tsv: how often conformal sets hold the true status, and accuracy where they decide."""

import numpy as np

from nodestage.core import conformal, tables
from nodestage.statistics import rates, uncertainty

COLUMNS = (
    "method",
    "wanted",
    "declared",
    "n",
    "positives",
    "covered",
    "covered_low",
    "covered_high",
    "covered_positive",
    "covered_negative",
    "decided",
    "decided_low",
    "decided_high",
    "both",
    "neither",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "sensitivity",
    "specificity",
    "note",
)
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Coverages shown beside the declared one."""


def both_tables(scored, predictions, frozen, option):
    """Rows of coverage.tsv and uncertainty.tsv of all methods of a center.

    Parameters
    ----------
    scored : list of cohort.Scored
    predictions : {method: {fold0: rows, ..., ensemble: rows}}
    frozen : {fold0: {method: its frozen record}, ...}
    option : {coverage, by_class} as declared, or None: then nobody is abstained from

    Returns
    -------
    {file name: rows}
    """
    coverage, spread = [], []
    for one in scored:
        parts = predictions[one.method]
        parts = parts if isinstance(parts, dict) else {"ensemble": parts}
        probabilities, chosen = _probabilities(parts), None
        records = _records(one.method, frozen, probabilities) if option else None
        if records:
            by_class = option["by_class"]
            p = p_values(records, probabilities, one.patients, one.fold, by_class)
            coverage += rows(one, p, option)
            if one.fold is None:
                all_patients = [row["patient"] for row in parts["ensemble"]]
                p = p_values(records, probabilities, all_patients, None, by_class)
                held = conformal.sets(p, option["coverage"])
                chosen = dict(zip(all_patients, held.tolist(), strict=True))
        if one.fold is None:
            spread += uncertainty.rows(one.method, parts, chosen)
    return {"coverage.tsv": coverage, "uncertainty.tsv": spread}


def p_values(records, probabilities, patients, fold=None, by_class=True):
    """p-values of either status (n, 2), NaN where a patient has no probability.

    Parameters
    ----------
    records : {fold0: what V kept, see `conformal.frozen`}
    probabilities : {fold0: {patient: probability or NaN}, ...}
    patients : codes (n,)
    fold : the fold that tests each patient (n,); None for all folds together
    by_class : see `conformal.p_values`
    """

    def of(names, codes):
        by_fold = [[probabilities[name].get(p, np.nan) for p in codes] for name in names]
        return conformal.p_values([records[name] for name in names], by_fold, by_class)

    if fold is None:
        return of(list(records), patients)
    p = np.full((len(patients), 2), np.nan)
    for name in records:
        inside = np.flatnonzero(np.asarray(fold) == name)
        p[inside] = of([name], [patients[i] for i in inside])
    return p


def _records(method, frozen, probabilities):
    """{fold: what V kept}; None where a fold kept nothing, or the center sent back one row per patient."""
    records = {fold: methods[method].get("conformal") for fold, methods in frozen.items()}
    whole = all(records.values()) and set(records) <= set(probabilities)
    return records if records and whole else None


def _probabilities(parts):
    return {
        name: {row["patient"]: tables.number(row["probability"]) for row in rows}
        for name, rows in parts.items()
        if name != "ensemble"
    }


def rows(scored, p, option):
    """One row per coverage.

    Parameters
    ----------
    scored : cohort.Scored
    p : p-values (n, 2), see `p_values`
    option : {coverage, by_class}, as declared

    Returns
    -------
    list of dicts with `COLUMNS`; an undefined number is None
    """
    known = ~np.isnan(p).any(1)
    y, p = scored.y[known].astype(bool), p[known]
    levels = sorted({*LEVELS, option["coverage"]})
    return [
        {"method": scored.method, "wanted": level, "declared": int(level == option["coverage"])}
        | _row(y, conformal.sets(p, level), len(scored.y))
        for level in levels
    ]


def _row(y, held, all_patients):
    row = dict.fromkeys(COLUMNS[3:]) | {"n": len(y), "positives": int(y.sum()), "note": ""}
    notes = []
    if all_patients > len(y):
        notes.append(f"{all_patients - len(y)} of {all_patients} patients without a probability")
    if len(y):
        true = held[np.arange(len(y)), y.astype(int)]
        decided = held.sum(1) == 1
        _share(row, "covered", true)
        row["covered_positive"] = _mean(true[y])
        row["covered_negative"] = _mean(true[~y])
        _share(row, "decided", decided)
        row["both"], row["neither"] = _mean(held.all(1)), _mean(~held.any(1))
        if decided.any():
            _share(row, "accuracy", true[decided])
            row["sensitivity"], row["specificity"] = (
                _mean(true[decided & y]),
                _mean(true[decided & ~y]),
            )
        else:
            notes.append("no patient is decided")
    return row | {"note": "; ".join(notes)}


def _share(row, name, hits):
    row[name] = _mean(hits)
    row[f"{name}_low"], row[f"{name}_high"] = rates.exact_interval(int(hits.sum()), len(hits))


def _mean(hits):
    return float(np.mean(hits)) if len(hits) else None


__all__ = ["COLUMNS", "LEVELS", "both_tables", "p_values", "rows"]
