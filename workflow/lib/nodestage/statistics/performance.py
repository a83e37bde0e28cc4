"""Rows of performance.tsv: each method's metrics, with all intervals that are defined."""

from dataclasses import dataclass, replace

import numpy as np

from nodestage.core import reasons
from nodestage.statistics import bootstrap, intervals, rates, roc
from nodestage.statistics.undefined import UndefinedError, answer

COLUMNS = (
    "method",
    "basis",
    "metric",
    "estimate",
    "sd",
    "low",
    "high",
    "low_delong",
    "high_delong",
    "low_exact",
    "high_exact",
    "se",
    "n",
    "positives",
    "folds",
    "n_all",
    "worst_case",
    "all_patients",
    "note",
)
NOT_RANKED = "a yes/no report does not rank patients: its AUC would repeat balanced accuracy"


@dataclass(frozen=True)
class Sample:
    """The patients from whom one metric of one method is computed, and the resampling.

    Attributes
    ----------
    y, values : labels and calls, scores or probabilities (patients,)
    metric : one of `rates.METRICS`
    n, seed : number of bootstrap resamples, and their seed
    strata : fold of each patient, for a mean of the folds; or None
    """

    y: np.ndarray
    values: np.ndarray
    metric: str
    n: int
    seed: int
    strata: np.ndarray | None = None

    def only(self, kept):
        """The patients of a mask (patients,)."""
        fold = None if self.strata is None else self.strata[kept]
        return replace(self, y=self.y[kept], values=self.values[kept], strata=fold)

    def estimate(self):
        """(value, "") over all patients as one cohort, or (None, reason)."""
        return answer(rates.estimate, self.y, self.values, self.metric)


def rows(scored, n=1000, seed=0, metrics=rates.METRICS):
    """Metrics of one method on every basis that it has.

    Discovery: `fold_mean`, the mean of the folds' values with their standard deviation and the
    interval resampled within fold and class (the paper's point estimate), and `pooled`, all
    folds' predictions as one cohort. External: `ensemble`.

    Parameters
    ----------
    scored : cohort.Scored
    n : bootstrap resamples
    seed : int
    metrics : those of `rates.METRICS` that are wanted

    Returns
    -------
    list of dicts with `COLUMNS`; an undefined number is None and `note` has the reason
    """
    bases = ("ensemble",) if scored.fold is None else ("fold_mean", "pooled")
    return [_row(scored, basis, metric, n, seed) for basis in bases for metric in metrics]


def _row(scored, basis, metric, n, seed):
    keep = scored.known(metric)
    y, values = scored.y[keep], scored.of(metric)[keep]
    row = dict.fromkeys(COLUMNS) | {
        "method": scored.method,
        "basis": basis,
        "metric": metric,
        "n": len(y),
        "positives": int(y.sum()),
        "n_all": len(scored.y),
    }
    notes = []
    if metric == "auc" and not scored.ranked:
        return row | {"note": NOT_RANKED}
    if metric == "brier" and not len(y):
        return row | {"note": "no calibrated probability"}
    if basis == "fold_mean":
        everything = np.unique(scored.fold[scored.fold != ""])
        _fold_mean(row, notes, Sample(y, values, metric, n, seed, scored.fold[keep]), everything)
        _everybody(row, scored, keep, metric, scored.fold)
    else:
        _pooled(row, notes, Sample(y, values, metric, n, seed))
        _everybody(row, scored, keep, metric)
    absent = len(scored.y) - len(y)
    if absent:
        notes.append(reasons.sentence("without_value", n=absent, patients=len(scored.y)))
    return row | {"note": "; ".join(notes)}


def _pooled(row, notes, sample):
    row["estimate"], reason = sample.estimate()
    if reason:
        notes.append(reason)
        return
    _intervals(row, notes, sample)
    if sample.metric == "balanced_accuracy":
        mover(row, notes, sample.y, sample.values)
    elif sample.metric not in ("auc", "brier"):
        share = rates.shares(sample.y, sample.values)[sample.metric]
        row["low_exact"], row["high_exact"] = rates.exact_interval(*share)


def _fold_mean(row, notes, sample, folds):
    """The mean over those of all `folds` that define the metric, with SD and intervals."""
    single, kept = [], np.zeros(len(sample.y), bool)
    for name in folds:
        inside = sample.strata == name
        value, reason = None, "no patient has a value"
        if inside.any():
            value, reason = sample.only(inside).estimate()
        if reason:
            notes.append(f"{name} left out: {reason}")
        else:
            single.append(value)
            kept |= inside
    row["folds"] = len(single)
    if not single:
        notes.append("no fold defines it")
        return
    if len(single) < len(folds):
        notes.append(f"mean of {len(single)} of {len(folds)} folds")
    row["estimate"] = float(np.mean(single))
    row["sd"] = float(np.std(single, ddof=1)) if len(single) > 1 else None
    row["n"], row["positives"] = int(kept.sum()), int(sample.y[kept].sum())
    _intervals(row, notes, sample.only(kept))


def _intervals(row, notes, sample):
    """The bootstrap's interval and, for the AUC, DeLong's."""
    if sample.metric == "auc" and row["estimate"] in (0.0, 1.0):
        notes.append(intervals.SEPARATED)
        return
    _bootstrap(row, notes, sample)
    if sample.metric == "auc":
        _delong(row, notes, sample.y, sample.values, sample.strata)


def _bootstrap(row, notes, sample):
    y, metric, strata = sample.y, sample.metric, sample.strata
    drawn, reason = answer(
        bootstrap.resampled,
        y,
        [sample.values],
        metric,
        sample.n,
        sample.seed,
        bootstrap.Design(strata),
    )
    ends = None
    if drawn is not None:
        drawn = drawn[0]
        ends, reason = answer(bootstrap.interval, drawn)
    if reason:
        notes.append(reason)
        return
    row["low"], row["high"] = ends
    row["se"] = float(np.nanstd(drawn, ddof=1))
    notes += filter(None, [intervals.undefined_share(drawn), intervals.caution(y, metric, strata)])


def mover(row, notes, y, call):
    """Give a row of balanced accuracy without a bootstrap interval the interval by MOVER."""
    if row["low"] is None:
        shares = rates.shares(y, call)
        row["low"], row["high"] = intervals.mover(*shares["sensitivity"], *shares["specificity"])
        notes.append(reasons.sentence("by_mover"))


def _delong(row, notes, y, values, strata):
    ends, reason = answer(roc.auc_ci, y, values, strata=strata)
    if ends and intervals.collapsed(*ends):
        reason = "its variance is 0"
    if reason:
        notes.append(f"no DeLong interval: {reason}")
    else:
        row["low_delong"], row["high_delong"] = ends


def _everybody(row, scored, keep, metric, fold=None):
    """The same metric over all labelled patients, with a call for the unscored ones.

    `worst_case` gets them all wrong; `all_patients` takes them as negative, as a clinic without
    the model's answer would act (in the AUC: as the lowest scores). With folds it is the mean of
    theirs, if each patient's fold is known.
    """
    if keep.all() or metric == "brier" or (fold is not None and (fold == "").any()):
        return
    y, values = scored.y, scored.of(metric)
    if metric == "auc":
        low, high = (values[keep].min() - 1, values[keep].max() + 1) if keep.any() else (0, 1)
        wrong, negative = np.where(y == 1, low, high), np.full(len(y), float(low))
    else:
        wrong, negative = 1.0 - y, np.zeros(len(y))
    for column, filler in (("worst_case", wrong), ("all_patients", negative)):
        try:
            row[column] = rates.estimate(y, np.where(keep, values, filler), metric, fold)
        except UndefinedError:
            row[column] = None  # the note of the estimate names the absent class
