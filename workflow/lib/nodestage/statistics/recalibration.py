"""Recalibration at a new center, by cross-validation on its patients, beside the frozen model.

Uses the center's labels, so it shows what the probabilities could become there and is no
validation of the frozen model. The frozen model's probabilities, calls and tables stay as they are.
Recalibration moves no patient past another: the AUC stays that of the frozen model.
"""

import numpy as np

from nodestage.core import predictions
from nodestage.statistics import bootstrap, calibration
from nodestage.statistics.rates import checked
from nodestage.statistics.undefined import UndefinedError, answer

COLUMNS = (
    "method",
    "recalibrated",
    "metric",
    "estimate",
    "difference",
    "low",
    "high",
    "n",
    "positives",
    "note",
)
KINDS = ("frozen", "intercept", "intercept_slope")
METRICS = (
    "log_loss",
    "brier",
    "observed_expected",
    "line_intercept",
    "line_slope",
    "fitted_intercept",
    "fitted_slope",
)
FOLDS, REPEATS = 5, 20
FEWEST = {"intercept": 75, "intercept_slope": 150}
"""Patients below which recalibration harms on average, if the frozen model is mildly miscalibrated
(an intercept of 0.3, a slope of 0.7): benchmarks/recalibration.py."""

EDGE = 1e-6
"""Probabilities are moved inside 0 and 1 by this, as for the calibration line."""


def fit(y, logit, kind):
    """(intercept, slope) of a recalibration: probability = 1 / (1 + exp(-(intercept + slope * logit))).

    Parameters
    ----------
    y : labels (n,), both classes present
    logit : of the frozen probability (n,)
    kind : `intercept` (slope 1; maximum likelihood) or `intercept_slope` (Platt's targets, which keep
        it finite under separation; the slope is not below 0)
    """
    y, logit = np.asarray(y, float), np.asarray(logit, float)
    if kind == "intercept":
        return _intercept(y, logit), 1.0
    line = predictions.calibrate(y.astype(int), logit)
    return line["intercept"], line["slope"]


def cross_validated(y, logit, kind, seed=0):
    """Recalibrated probabilities, each by a fit without the patient.

    Parameters
    ----------
    y, logit : labels and logits (n,), with `FOLDS` patients of each class at least
    kind : see `fit`
    seed : int

    Returns
    -------
    float array (`REPEATS`, n); the folds are drawn anew within each class in each repeat
    """
    y, random = np.asarray(y, int), np.random.default_rng(seed)
    made = np.empty((REPEATS, len(y)))
    for repeat in range(REPEATS):
        fold = np.empty(len(y), int)
        for label in (0, 1):
            members = random.permutation(np.flatnonzero(y == label))
            fold[members] = np.arange(len(members)) % FOLDS
        for k in range(FOLDS):
            inside = fold == k
            intercept, slope = fit(y[~inside], logit[~inside], kind)
            made[repeat, inside] = _probability(intercept + slope * logit[inside])
    return made


def rows(scored, n=1000, seed=0):
    """Rows of recalibration.tsv of one method at an external center.

    Parameters
    ----------
    scored : cohort.Scored of an external center
    n : bootstrap resamples
    seed : int

    Returns
    -------
    list of dicts with `COLUMNS`. `difference` is that of a loss, recalibrated minus frozen, with its
    interval over the patients (`low`, `high`) with these fits held fixed: below 0 is a gain.
    """
    keep = scored.known("brier")
    y, probability = scored.y[keep], scored.probability[keep]
    if not len(y):
        return []
    about = {"method": scored.method, "n": len(y), "positives": int(y.sum())}
    logit = _logit(probability)
    frozen = _losses(y, probability[None])
    made = [
        _row(about, "frozen", metric, value)
        for metric, value in _of(y, probability[None], frozen).items()
    ]
    fewest = min(int(y.sum()), len(y) - int(y.sum()))
    for kind in KINDS[1:]:
        if fewest < FOLDS:
            note = f"fewer than {FOLDS} patients of a class: no cross-validation"
            made += [_row(about, kind, metric, None, note=note) for metric in METRICS]
            continue
        probabilities = cross_validated(y, logit, kind, seed)
        losses = _losses(y, probabilities)
        values = _of(y, probabilities, losses)
        values["fitted_intercept"], values["fitted_slope"] = fit(y, logit, kind)
        caution = ""
        if len(y) < FEWEST[kind]:
            caution = (
                f"fewer than {FEWEST[kind]} patients: recalibration of this kind tends to harm"
            )
        for metric in METRICS:
            row = _row(about, kind, metric, values.get(metric), note=caution)
            if metric in losses:
                gap = losses[metric] - frozen[metric]
                row["difference"] = float(gap.mean())
                ends, reason = answer(_interval, y, gap, n, seed)
                row["low"], row["high"] = ends or (None, None)
                row["note"] = "; ".join(filter(None, [caution, reason]))
            made.append(row)
    return made


def _of(y, probabilities, losses):
    """Metrics of probabilities (repeats, n), averaged over the repeats; None where undefined."""
    with np.errstate(over="ignore"):  # of extreme logits, where statsmodels' weights are 0
        lines = [answer(calibration.calibration_line, y, p)[0] or {} for p in probabilities]
    values = {metric: float(loss.mean()) for metric, loss in losses.items()}
    values["observed_expected"] = float(np.mean(y.mean() / probabilities.mean(1)))
    for part in ("intercept", "slope"):
        known = [line[part][0] for line in lines if line and line[part][0] is not None]
        values[f"line_{part}"] = float(np.mean(known)) if len(known) == len(lines) else None
    return values


def _losses(y, probabilities):
    """{metric: loss of each patient (n,), averaged over the repeats} of probabilities (repeats, n)."""
    y = np.asarray(y, bool)
    inside = np.clip(probabilities, EDGE, 1 - EDGE)
    return {
        "log_loss": -np.log(np.where(y, inside, 1 - inside)).mean(0),
        "brier": ((probabilities - y) ** 2).mean(0),
    }


def _interval(y, gap, n, seed):
    """Percentile interval of a mean over patients, resampled within each class."""
    y, gap = checked(y, gap, "brier")
    if min(y.sum(), (~y).sum()) < FOLDS:
        raise UndefinedError(f"fewer than {FOLDS} patients of a class: no interval")
    random = np.random.default_rng(seed)
    total = sum(
        bootstrap.copies_of(random, n, int(part.sum())) @ gap[part].astype(np.float32)
        for part in (y, ~y)
    )
    return bootstrap.interval(np.asarray(total, float) / len(y))


def _row(about, kind, metric, value, note=""):
    row = dict.fromkeys(COLUMNS) | about | {"recalibrated": kind, "metric": metric}
    return row | {"estimate": value, "note": note}


def _intercept(y, logit):
    """Maximum likelihood with the logit as offset, by Newton steps on a convex loss."""
    at = 0.0
    for _ in range(100):
        p = _probability(at + logit)
        # A step of at most 1: where the curve is flat, a whole step would overshoot.
        step = float(np.clip((y - p).sum() / max(float((p * (1 - p)).sum()), 1e-12), -1, 1))
        at += step
        if abs(step) < 1e-12:
            break
    return at


def _logit(probability):
    inside = np.clip(probability, EDGE, 1 - EDGE)
    return np.log(inside / (1 - inside))


def _probability(logit):
    return 1 / (1 + np.exp(-np.clip(logit, -700, 700)))


__all__ = ["COLUMNS", "FEWEST", "KINDS", "METRICS", "cross_validated", "fit", "rows"]
