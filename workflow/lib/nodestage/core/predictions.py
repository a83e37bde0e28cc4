"""From scores to calls: thresholds and calibration learned on V, then frozen.

Rows go in and rows come out, in the columns of `COLUMNS`. Whatever a method could not score
stays as a row with an empty score and a reason: no patient is dropped silently. Thresholds and
calibration are learned from the validation part of one fold; test and external patients are only
scored with them.
"""

import math
from typing import NamedTuple

import numpy as np

from nodestage.core import conformal, operating, reasons, tables
from nodestage.core.errors import InputError

COLUMNS = ("patient", "subset", "score", "probability", "call", "reason")

MAJORITY = 0.5
"""The cut of a method whose call is its score: each fold votes, and a draw is negative."""


def threshold(y, score, nonnegative=False):
    """The cut with the best balanced accuracy; a patient is called positive above it.

    Candidates are the midpoints between neighbouring distinct scores. Of several best ones
    those that follow one another form a plateau; the candidate nearest the middle of the
    longest plateau wins (as long as it reaches on the score's axis), the lowest of equals.

    Parameters
    ----------
    y : labels (n,), 0 or 1, both present
    score : (n,), finite
    nonnegative : the score is a volume, and its cut is never below 0

    Returns
    -------
    float; with one distinct score alone there is nothing to cut between, and that score itself
    is returned, above which nobody lies
    """
    y, score = _labelled(y, score)
    distinct, index = np.unique(score, return_inverse=True)
    positives, negatives = int(y.sum()), int((~y).sum())
    if not positives or not negatives:
        raise ValueError(
            f"a threshold needs both classes, got {positives} positive and {negatives} negative"
        )
    if len(distinct) == 1:
        return max(float(distinct[0]), 0.0) if nonnegative else float(distinct[0])
    positive_at = np.bincount(index, weights=y, minlength=len(distinct))
    negative_at = np.bincount(index, weights=~y, minlength=len(distinct))
    # Twice balanced accuracy times both class sizes is an integer: ties are exact.
    above = positives - np.cumsum(positive_at)[:-1]
    below = np.cumsum(negative_at)[:-1]
    gain = above * negatives + below * positives
    best = np.flatnonzero(gain == gain.max())
    runs = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    run = max(runs, key=lambda r: distinct[r[-1] + 1] - distinct[r[0]])
    cuts = operating.midpoints(distinct)[run]
    middle = (distinct[run[0]] + distinct[run[-1] + 1]) / 2
    cut = float(cuts[np.argmin(np.abs(cuts - middle))])
    return max(cut, 0.0) if nonnegative else cut


def calibrate(y, score):
    """Logistic regression of the label on the score, finite under separation.

    Platt's targets, (n1 + 1) / (n1 + 2) and 1 / (n0 + 2) instead of 1 and 0, keep the
    coefficients finite (Platt 1999, "Probabilistic outputs for support vector machines"). The
    slope is not allowed below 0: a method worse than chance isn't inverted; every patient gets the
    validation part's prevalence.

    Parameters
    ----------
    y : labels (n,), 0 or 1, both present
    score : (n,), finite

    Returns
    -------
    {intercept, slope} such that probability = 1 / (1 + exp(-(intercept + slope * score)))
    """
    y, score = _labelled(y, score)
    positives, negatives = int(y.sum()), int((~y).sum())
    if not positives or not negatives:
        raise ValueError(
            f"calibration needs both classes, got {positives} positive and {negatives} negative"
        )
    target = np.where(y, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    prevalence = float(target.mean())
    flat = {"intercept": math.log(prevalence / (1 - prevalence)), "slope": 0.0}
    center, scale = float(score.mean()), float(score.std())
    if not scale > 1e-12 * max(1.0, abs(center)):
        return flat
    intercept, slope = _logistic((score - center) / scale, target)
    if slope <= 0:
        return flat
    return {"intercept": intercept - slope * center / scale, "slope": slope / scale}


def calibrated(score, calibration):
    """Probability that belongs to a raw score; None where there is no score or calibration."""
    if score is None or not calibration:
        return None
    logit = calibration["intercept"] + calibration["slope"] * score
    # Of two equal formulas the one that does not overflow.
    if logit >= 0:
        return 1 / (1 + math.exp(-min(logit, 700.0)))
    return math.exp(max(logit, -700.0)) / (1 + math.exp(max(logit, -700.0)))


def read_scores(paths, methods, patients):
    """Score tables of one fold and center, of one family of methods each.

    Parameters
    ----------
    paths : files
    methods : names, in the order of what is returned
    patients : codes that must have a row for each method

    Returns
    -------
    {method: rows}; raises `InputError` where a table lacks a patient
    """
    scores = {method: [] for method in methods}
    for path in paths:
        rows, patients_of = tables.read(path), {}
        for row in rows:
            scores[row["method"]].append(row)
            patients_of.setdefault(row["method"], []).append(row)
        for of_method in patients_of.values():
            tables.check_patients(path, of_method, patients)
    absent = [method for method, rows in scores.items() if not rows and patients]
    if absent:
        raise InputError(
            f"No score table has a row of {', '.join(absent)} ({', '.join(map(str, paths))}): one was cut short. "
            "Delete them and run again: the workflow writes them anew."
        )
    return scores


def freeze(scores, labels, settings=None, operating_point=None, keep=False):
    """Threshold and calibration of every method, from one fold's validation part.

    Parameters
    ----------
    scores : {method: {patient: score or None}} or {method: rows with patient and score}
    labels : {patient: 0 or 1} of V; a patient without a label is left out before
    settings : {method: {threshold: bool, nonnegative: bool}}; a method that isn't named has a
        threshold, and its score may be negative
    operating_point : a declared sensitivity or specificity (see `operating`), or None
    keep : whether the probabilities of V are kept, for `conformal` sets

    Returns
    -------
    {method: {threshold, calibration, call_is_score, n, positives, reason}}, plain numbers for
    JSON; `operating_point` and `conformal` where they are declared and the method has a threshold.
    Where V does not allow a threshold (one class left) it is None and `reason` is set.
    Raises `InputError` where a call is its score (`threshold` false) and a score isn't 0 or 1.
    """
    frozen = {}
    for method, entries in scores.items():
        option = _settings(method, settings)
        scored = {patient: score for patient, score, _ in _scores(entries) if score is not None}
        patients = sorted(patient for patient in labels if patient in scored)
        y = np.array([int(labels[patient]) for patient in patients], int)
        score = np.array([scored[patient] for patient in patients], float)
        record = {
            "threshold": None,
            "calibration": None,
            "call_is_score": not option["threshold"],
            "n": len(y),
            "positives": int(y.sum()),
            "reason": "",
        }
        if not option["threshold"]:
            _check_votes(method, scored)
        else:
            both = len(set(y.tolist())) == 2
            if operating_point:
                of_class = (y, score) if both else (None, None)
                record["operating_point"] = operating.frozen(
                    *of_class, operating_point, option["nonnegative"]
                )
            if both:
                record["threshold"] = threshold(y, score, option["nonnegative"])
                record["calibration"] = calibrate(y, score)
                if keep:
                    of_v = [calibrated(float(one), record["calibration"]) for one in score]
                    record["conformal"] = conformal.frozen(y, of_v)
            else:
                record["reason"] = reasons.sentence(
                    "no_threshold",
                    positives=record["positives"],
                    negatives=len(y) - record["positives"],
                )
        frozen[method] = record
    return frozen


def prediction_rows(scores, subsets, frozen, method):
    """Rows of one method in one fold or center.

    Parameters
    ----------
    scores : {patient: score, None or (score, reason)}, or rows with patient, score and reason
    subsets : {patient: validation | test | external} of the patients that get a row, in order;
        a patient missing from `scores` gets a row with a reason
    frozen : this method's record from `freeze`
    method : its name, for messages

    Returns
    -------
    list of dicts with `COLUMNS`; raises `InputError` as `freeze` does
    """
    entries = {patient: (score, reason) for patient, score, reason in _scores(scores)}
    if frozen["call_is_score"]:
        _check_votes(method, {p: score for p, (score, _) in entries.items() if score is not None})
    cut = _Cut(frozen["threshold"], frozen["call_is_score"], frozen["reason"])
    rows = []
    for patient, subset in subsets.items():
        score, reason = entries.get(patient, (None, "the method gave no row for this patient"))
        probability = calibrated(score, frozen["calibration"])
        rows.append(_row(patient, subset, score, probability, cut, reason))
    return rows


def ensemble(fold_rows, frozen):
    """Mean of the folds' scores against the mean of their frozen thresholds.

    Where a call is its score, the mean is the share of the folds' votes, and the majority calls.

    Parameters
    ----------
    fold_rows : one list of rows per fold, all of the same patients
    frozen : this method's record of each fold, in the same order

    Returns
    -------
    list of dicts with `COLUMNS`, in the first fold's order. `probability` is the mean of the
    folds' calibrated probabilities. A patient whom one fold can't score stays unscored: a mean
    over fewer folds would be another model.
    """
    if not fold_rows or len(fold_rows) != len(frozen):
        raise ValueError(
            f"an ensemble needs one frozen record per fold, got {len(fold_rows)} folds "
            f"and {len(frozen)} records"
        )
    threshold, why_none = mean_threshold(frozen)
    cut = _Cut(threshold, frozen[0]["call_is_score"], why_none)
    by_fold = [{row["patient"]: row for row in rows} for rows in fold_rows]
    result = []
    for patient, first in by_fold[0].items():
        rows = [fold.get(patient) for fold in by_fold]
        scores = [_number(row["score"]) if row else None for row in rows]
        score, probability, reason = None, None, ""
        if any(s is None for s in scores):
            unscored = [
                (row["reason"] if row else "") or "no row for this patient"
                for row, s in zip(rows, scores, strict=True)
                if s is None
            ]
            reason = unscored[0]
            if len(unscored) < len(rows):
                reason = reasons.sentence(
                    "unscored_in_folds", n=len(unscored), folds=len(rows), reason=reason
                )
        else:
            score = math.fsum(scores) / len(scores)
            probabilities = [_number(row["probability"]) for row in rows]
            if all(p is not None for p in probabilities):
                probability = math.fsum(probabilities) / len(probabilities)
        result.append(_row(patient, first["subset"], score, probability, cut, reason))
    return result


def mean_threshold(frozen):
    """(mean of the folds' thresholds, ""), or (None, reason) where a fold has none."""
    cuts = [record["threshold"] for record in frozen]
    if any(cut is None for cut in cuts):
        return None, next((record["reason"] for record in frozen if record["reason"]), "")
    return math.fsum(cuts) / len(cuts), ""


def call_of(score, cut, call_is_score):
    """0 or 1 that a score above or below its cut gives; None where no cut was frozen.

    Parameters
    ----------
    score : float; where the call is the score, 0 or 1 or the mean of several folds' 0 and 1
    cut : threshold, or None
    call_is_score : whether the folds' majority decides instead of a threshold
    """
    cut = MAJORITY if call_is_score else cut
    return None if cut is None else int(score > cut)


def is_share(score, votes):
    """Whether a score is the mean of this many votes of 0 or 1."""
    positive = round(score * votes)
    return 0 <= positive <= votes and abs(score * votes - positive) < 1e-9


def _check_votes(method, scores):
    """Raise `InputError` unless every score is 0 or 1; scores : {patient: float}."""
    for patient, score in scores.items():
        if not is_share(score, 1):
            raise InputError(
                f"method {method} scored {patient} with {score:g}, but has no threshold: its score is "
                "its call, and must be 0 or 1. Let its `predict` give 0 or 1, or leave out "
                f"`methods.{method}.threshold`, so that a threshold is learned."
            )


class _Cut(NamedTuple):
    """How a score becomes a call: see `call_of`; `reason` where there is no threshold."""

    threshold: float | None
    call_is_score: bool
    reason: str


def _row(patient, subset, score, probability, cut, reason):
    call = None
    if score is not None:
        call = call_of(score, cut.threshold, cut.call_is_score)
        if call is None:
            reason = cut.reason
    elif not reason:
        reason = "the method gave no score and no reason"
    values = (patient, subset, score, probability, call, reason or "")
    return dict(zip(COLUMNS, values, strict=True))


def _settings(method, settings):
    return {"threshold": True, "nonnegative": False} | ((settings or {}).get(method) or {})


def _scores(entries):
    """(patient, score or None, reason) of each entry, whichever form came in."""
    if isinstance(entries, dict):
        for patient, value in entries.items():
            score, reason = value if isinstance(value, tuple) else (value, "")
            yield patient, _number(score), reason
    else:
        for row in entries:
            yield row["patient"], _number(row["score"]), row.get("reason", "")


def _number(value):
    """A finite float, or None for what is empty."""
    if value is None or value == "":
        return None
    value = float(value)
    if math.isnan(value):
        return None
    if math.isinf(value):
        raise ValueError("a score is infinite; a method must give a number or a reason")
    return value


def _labelled(y, score):
    y, score = np.asarray(y), np.asarray(score, float)
    if y.shape != score.shape or y.ndim != 1:
        raise ValueError(f"expected one score per label, got {score.shape} and {y.shape}")
    if not np.isfinite(score).all():
        raise ValueError("scores must be finite here; patients without one are left out before")
    if not np.isin(y, (0, 1)).all():
        raise ValueError("labels must be 0 or 1")
    return y.astype(bool), score


def _logistic(x, target):
    """Intercept and slope that maximise the likelihood of soft targets: Newton, damped."""
    beta = np.zeros(2)
    design = np.stack([np.ones_like(x), x], 1)

    def loss(b):
        logit = design @ b
        return float(np.sum(np.logaddexp(0, logit) - target * logit))

    current = loss(beta)
    for _ in range(100):
        p = 1 / (1 + np.exp(-design @ beta))
        gradient = design.T @ (p - target)
        weight = np.maximum(p * (1 - p), 1e-12)
        step = np.linalg.solve(design.T @ (design * weight[:, None]), gradient)
        size = 1.0
        while size > 1e-8 and loss(beta - size * step) > current:
            size /= 2
        beta = beta - size * step
        new = loss(beta)
        if abs(current - new) <= 1e-14 * max(1.0, abs(current)):
            break
        current = new
    return float(beta[0]), float(beta[1])
