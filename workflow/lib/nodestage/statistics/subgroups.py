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
OLDER = 65  # years
SLICE_MM = (1.5, 3.0)
PIXEL_MM = (0.7, 0.8)
PORTAL_HU = (100.0,)  # darker: an early arterial phase
SCANNED = frozenset({"slice_mm", "thickness_mm", "pixel_mm", "kernel", "portal_arterial_hu"})
"""Columns of `cohort.scanning`."""


def rows(all_scored, sheet_rows, methods, n=1000, seed=0, min_cell=0):
    """Metrics of some methods within pT, tumor size, location, sex, age, CT report, phases and scan.

    Nothing is tested here: groups are small, and differences between them are descriptions.

    Parameters
    ----------
    all_scored : list of cohort.Scored of one center; of discovery the AUC is the mean of the
        folds' AUCs where each has two patients of each class in the group, all other metrics pool the folds
    sheet_rows : rows of the center's patients, with the columns of `cohort.scanning` where known
    methods : names of the methods to show
    min_cell : a group by the scan with fewer scored patients of a class has no numbers: what a scanner
        writes may single out a patient

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
            if subgroup == "phases" and any(row.get("one_phase") for row in sheet_rows):
                continue  # the study has one phase
            if column and not _is_known(column, sheet_rows):
                continue  # no patient of this center has it
            least = min_cell if column in SCANNED else 0
            group = np.array(
                [rule(by_patient[p], why.get(p, "")) for p in scored.patients], dtype=str
            )
            names = np.unique(group)
            if column in SCANNED and len(names) < 2:
                continue  # everybody was scanned alike
            for name in names:
                part = scored.only(group == name)
                about = {"subgroup": subgroup, "group": str(name)}
                lines += [_row(part, about, metric, n, seed, least) for metric in METRICS]
    return lines


def _is_known(column, sheet_rows):
    """Whether a center has a column; one of the scan only where some patient has a value in it."""
    if column in SCANNED:
        return any(row.get(column) not in (None, "") for row in sheet_rows)
    return any(column in row for row in sheet_rows)


def _row(part, about, metric, n, seed, min_cell):
    keep = part.known(metric)
    y, values = part.y[keep], part.of(metric)[keep]
    row = dict.fromkeys(COLUMNS) | {
        "method": part.method,
        **about,
        "metric": metric,
        "n": len(y),
        "positives": int(y.sum()),
        "unscored": int((~keep).sum()),
    }
    if min(y.sum(), len(y) - y.sum()) < min_cell:
        return row | {"note": f"fewer than {min_cell} patients of a class (packet.min_cell)"}
    if metric == "auc" and not part.ranked:
        return row | {"note": performance.NOT_RANKED}
    strata, pooled = None, []
    if metric == "auc" and part.fold is not None:
        strata = part.fold[keep]
        # Where a fold is too small for an interval, the models' scores are pooled.
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


def _range(column, borders, unit):
    """A rule that puts a number among `borders`: `up to 1.5 mm`, `over 1.5 to 3 mm`, `over 3 mm`."""

    def rule(row, reason):
        value = tables.number(row.get(column))
        if np.isnan(value):
            return "unknown"
        index = int(np.searchsorted(borders, round(value, 3), side="left"))
        if index == 0:
            return f"up to {borders[0]:g} {unit}"
        low = f"over {borders[index - 1]:g}"
        return f"{low} {unit}" if index == len(borders) else f"{low} to {borders[index]:g} {unit}"

    return rule


def _age(row, reason):
    age = tables.number(row.get("age"))
    return "unknown" if np.isnan(age) else ("65 or older" if age >= OLDER else "under 65")


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
    "tumor size": ("tumor_size_cm", _range("tumor_size_cm", SIZE_CM, "cm")),
    "tumor location": ("tumor_location", _column("tumor_location")),
    "sex": ("sex", _column("sex")),
    "age": ("age", _age),
    "CT report": ("ct_reported", _ct),
    "phases": (None, _phases),
    "slice distance": ("slice_mm", _range("slice_mm", SLICE_MM, "mm")),
    "slice thickness": ("thickness_mm", _range("thickness_mm", SLICE_MM, "mm")),
    "pixel": ("pixel_mm", _range("pixel_mm", PIXEL_MM, "mm")),
    "kernel": ("kernel", _column("kernel")),
    "portal vein, arterial phase": (
        "portal_arterial_hu",
        _range("portal_arterial_hu", PORTAL_HU, "HU"),
    ),
}
