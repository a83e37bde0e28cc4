"""Rows of heterogeneity.tsv: each method over the external centers."""

import numpy as np

from nodestage.core import tables
from nodestage.statistics import centers
from nodestage.statistics.undefined import answer

COLUMNS = (
    "method",
    "metric",
    "k",
    "estimate",
    "low",
    "high",
    "prediction_low",
    "prediction_high",
    "tau2",
    "i2",
    "q",
    "p_q",
    "note",
)


def rows(external, metrics):
    """Random effects over the external centers, one row per method and metric.

    Parameters
    ----------
    external : {center: {performance: rows}}
    metrics : names of those that are pooled

    Returns
    -------
    list of dicts with `COLUMNS`; `note` reports what was left out, moved or is missing
    """
    by_key = {}
    for result in external.values():
        performance = {(row["method"], row["metric"]): row for row in result["performance"]}
        for method, metric in performance:
            if metric in metrics:
                by_key.setdefault((method, metric), []).append(
                    _of_center(performance, method, metric)
                )
    return [_pooled(*key, estimates) for key, estimates in by_key.items()]


def _pooled(method, metric, estimates):
    """A row of heterogeneity.tsv from what `_of_center` gives of each center."""
    known = [(value, variance) for value, variance, _ in estimates if not np.isnan(variance)]
    value, variance = np.array(known, float).reshape(-1, 2).T
    pooled, reason = answer(centers.random_effects, value, variance)
    notes = [reason]
    if pooled and pooled["k"] == 2:
        notes += [centers.TWO, centers.PREDICTION]
    corrected, absent = sum(c for *_, c in estimates), len(estimates) - len(known)
    if corrected:
        enter = "center enters" if corrected == 1 else "centers enter"
        notes.append(f"at exactly 0 or 1, {corrected} {enter} with half a patient on either side")
    if absent:
        notes.append(f"{absent} center{'s' * (absent > 1)} left out: no standard error")
    row = dict.fromkeys(COLUMNS) | (pooled or {"k": len(known)})
    return row | {"method": method, "metric": metric, "note": "; ".join(filter(None, notes))}


def _of_center(performance, method, metric):
    """(value, variance, whether it was moved off 0 or 1) of one center; NaN where undefined.

    Shares have it from their counts, so that a center whose calls are all right, or one too small
    for a bootstrap, stays in.
    """
    row = performance[method, metric]
    estimate, error = (tables.number(row[key]) for key in ("estimate", "se"))
    if metric == "auc" or np.isnan(estimate):
        edge = estimate in (0.0, 1.0)
        return estimate, np.nan if edge else error**2, False
    if metric != "balanced_accuracy":
        return *centers.share_of(*_counts(row, metric)), estimate in (0.0, 1.0)
    if error > 0:
        return estimate, error**2, False
    parts = [
        centers.share_of(*_counts(performance[method, part], part))
        for part in ("sensitivity", "specificity")
    ]
    edge = estimate in (0.0, 1.0)
    value = sum(share for share, _ in parts) / 2 if edge else estimate
    return value, sum(variance for _, variance in parts) / 4, edge


def _counts(row, metric):
    """(successes, patients) behind a share of performance.tsv."""
    n, positives = (int(tables.number(row[key])) for key in ("n", "positives"))
    size = {"sensitivity": positives, "specificity": n - positives}.get(metric, n)
    return round(tables.number(row["estimate"]) * size), size
