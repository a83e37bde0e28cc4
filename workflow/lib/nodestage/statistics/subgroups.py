"""Rows of subgroups.tsv: the declared methods within groups that a reader asks about."""

import numpy as np

from nodestage.core import reasons, tables
from nodestage.statistics import bootstrap, intervals, performance, rates
from nodestage.statistics.undefined import answer

COLUMNS = (
    "method",
    "subgroup",
    "group",
    "metric",
    "estimate",
    "low",
    "high",
    "n",
    "positives",
    "unscored",
    "note",
)
METRICS = ("balanced_accuracy", "auc", "sensitivity", "specificity")
POOLED = "folds pooled: scores of several models are compared"
SIZE_CM = (2.0, 4.0)  # the borders of pT1, pT2 and pT3 by size (UICC, 8th edition)


def rows(all_scored, sheet_rows, methods, n=1000, seed=0):
    """Metrics of some methods within pT, tumor size, location, sex, CT report and phases.

    Nothing is tested here: groups are small, and differences between them are descriptions.

    Parameters
    ----------
    all_scored : list of cohort.Scored of one center; of discovery the AUC is the mean of the
        folds' own where each has two patients of each class in the group, all else has them pooled
    sheet_rows : rows of the center's patients
    methods : names of the methods to show

    Returns
    -------
    list of dicts with `COLUMNS`
    """
    by_patient = {row["patient"]: row for row in sheet_rows}
    lines = []
    for scored in all_scored:
        if scored.method not in methods:
            continue
        why = {entry["patient"]: entry["reason"] for entry in scored.missing}
        for subgroup, (column, rule) in GROUPS.items():
            if column and not any(column in row for row in sheet_rows):
                continue  # nothing of the kind is known of this center
            group = np.array(
                [rule(by_patient[p], why.get(p, "")) for p in scored.patients], dtype=str
            )
            for name in np.unique(group):
                part = scored.only(group == name)
                lines += [_row(part, subgroup, str(name), metric, n, seed) for metric in METRICS]
    return lines


def _row(part, subgroup, group, metric, n, seed):
    keep = part.known(metric)
    y, values = part.y[keep], part.of(metric)[keep]
    row = dict.fromkeys(COLUMNS) | {
        "method": part.method,
        "subgroup": subgroup,
        "group": group,
        "metric": metric,
        "n": len(y),
        "positives": int(y.sum()),
        "unscored": int((~keep).sum()),
    }
    if metric == "auc" and not part.ranked:
        return row | {"note": performance.NOT_RANKED}
    strata, pooled = None, []
    if metric == "auc" and part.fold is not None:
        strata = part.fold[keep]
        # Where a fold can't bear an interval of its own, the models' scores are mixed after all.
        if intervals.small_folds(y, strata):
            strata, pooled = None, [POOLED]
    row["estimate"], row["note"] = answer(rates.estimate, y, values, metric, strata)
    if row["estimate"] is None:
        return row
    ends, reason = answer(
        bootstrap.bootstrap_ci, y, values, metric, n, seed, bootstrap.Design(strata)
    )
    row["low"], row["high"] = ends or (None, None)
    notes = [*pooled, reason or intervals.caution(y, metric, strata)]
    if metric == "balanced_accuracy":
        performance.mover(row, notes, y, values)
    return row | {"note": "; ".join(filter(None, notes))}


def _column(key):
    def rule(row, reason):
        return str(row.get(key) or "").strip() or "unknown"

    return rule


def _size(row, reason):
    size = tables.number(row.get("tumor_size_cm"))
    if np.isnan(size):
        return "unknown"
    small, large = SIZE_CM
    if size <= small:
        return f"up to {small:g} cm"
    return f"over {small:g} to {large:g} cm" if size <= large else f"over {large:g} cm"


def _ct(row, reason):
    value = tables.number(row.get("ct_reported"))
    return "unknown" if np.isnan(value) else ("positive" if value else "negative")


def _phases(row, reason):
    """`missing_phase` of the sheet row where it has one, else the patient's reason."""
    if row.get("missing_phase") or reasons.codes_of(reason) & reasons.PHASE_MISSING:
        return "one missing"
    return "both present"


GROUPS = {
    "pT stage": ("pt_stage", _column("pt_stage")),
    "tumor size": ("tumor_size_cm", _size),
    "tumor location": ("tumor_location", _column("tumor_location")),
    "sex": ("sex", _column("sex")),
    "CT report": ("ct_reported", _ct),
    "phases": (None, _phases),
}
