"""Rows of roc.tsv, calibration.tsv and decision_curve.tsv."""

import numpy as np

from nodestage.statistics import calibration, roc
from nodestage.statistics.undefined import answer

ROC_COLUMNS = ("method", "kind", "fpr", "tpr")
CALIBRATION_COLUMNS = (
    "method",
    "kind",
    "predicted",
    "observed",
    "estimate",
    "low",
    "high",
    "n",
    "positives",
    "note",
)
DECISION_COLUMNS = ("method", "threshold", "net_benefit", "low", "high", "n", "positives")


def roc_rows(scored):
    """Points of a method's curves: `fold_average` and `pooled`, or `ensemble`."""
    if not scored.ranked:
        return []
    keep = scored.known("auc")
    y, score = scored.y[keep], scored.score[keep]
    points = []
    if scored.fold is not None:
        fold = scored.fold[keep]
        curves = [
            curve
            for name in np.unique(fold)
            if (curve := answer(roc.roc_curve, y[fold == name], score[fold == name])[0])
        ]
        if curves:
            fpr, tpr, _ = roc.vertical_average(curves)
            points += _points(scored.method, "fold_average", fpr, tpr)
    curve, _ = answer(roc.roc_curve, y, score)
    if curve:
        points += _points(scored.method, "ensemble" if scored.fold is None else "pooled", *curve)
    return points


def calibration_rows(scored):
    """Intercept and slope with their intervals, then the groups of the curve."""
    keep = scored.known("brier")
    y, probability = scored.y[keep], scored.probability[keep]
    about = {"method": scored.method, "n": len(y), "positives": int(y.sum())}
    if not len(y):
        return [_calibration(about, kind="intercept", note="no calibrated probability")]
    line, reason = answer(calibration.calibration_line, y, probability)
    lines = []
    for kind in ("intercept", "slope"):
        value, low, high = line[kind] if line else (None, None, None)
        why = reason
        if line and value is None:
            why = calibration.why_no_slope(y, probability)
        lines.append(_calibration(about, kind=kind, estimate=value, low=low, high=high, note=why))
    return lines + [
        _calibration(about, kind="curve", **group)
        for group in calibration.calibration_curve(y, probability)
    ]


def decision_rows(all_scored, n=1000, seed=0):
    """Net benefit of every method, and of treating `all` or `none`, with its interval.

    The two strategies are those of the method with most patients.

    Parameters
    ----------
    all_scored : list of cohort.Scored
    n, seed : resamples of whole patients, and their seed (`calibration.net_benefit_limits`)
    """
    lines, widest = [], None
    for scored in all_scored:
        keep = scored.known("brier")
        y, probability = scored.y[keep], scored.probability[keep]
        if not len(y):
            continue
        points = calibration.decision_curve(y, probability)
        if widest is None or len(y) > len(widest[0]):
            widest = (y, points)
        lines += _decisions(scored.method, y, points, probability, n, seed)
    if widest:
        y, points = widest
        # Everybody is above a threshold with a probability of 1; nobody has a benefit of 0, exactly.
        for name, probability in (("all", np.ones(len(y))), ("none", None)):
            strategy = [p | {"net_benefit": p[f"net_benefit_{name}"]} for p in points]
            lines += _decisions(name, y, strategy, probability, n, seed)
    return lines


def _points(method, kind, fpr, tpr):
    return [
        {"method": method, "kind": kind, "fpr": float(x), "tpr": float(y)}
        for x, y in zip(fpr, tpr, strict=True)
    ]


def _calibration(about, **values):
    return dict.fromkeys(CALIBRATION_COLUMNS) | {"note": ""} | about | values


def _decisions(method, y, points, probability, n, seed):
    """A row for each point of a curve; without probabilities, or with few patients, it has no limits."""
    thresholds = [point["threshold"] for point in points]
    ends = [(None, None)] * len(points)
    if probability is not None:
        limits = answer(calibration.net_benefit_limits, y, probability, thresholds, n, seed)[0]
        ends = limits or ends
    return [
        {"method": method, "threshold": p["threshold"], "net_benefit": p["net_benefit"]}
        | {"low": low, "high": high, "n": len(y), "positives": int(y.sum())}
        for p, (low, high) in zip(points, ends, strict=True)
    ]
