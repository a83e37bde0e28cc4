"""Rows of pn_stage.tsv and pn_confusion.tsv: the predicted nodal stage (pN0, pN1, pN2) against pathology."""

from dataclasses import dataclass

import numpy as np

from nodestage.cohort import stages
from nodestage.core import tables
from nodestage.statistics import bootstrap, intervals, rates
from nodestage.statistics.undefined import UndefinedError, answer

NAMES = ("pN0", "pN1", "pN2")
COLUMNS = (
    "method",
    "metric",
    "estimate",
    "low",
    "high",
    "n",
    *(f"n_{name.lower()}" for name in NAMES),
    "folds",
    "note",
)
CONFUSION_COLUMNS = ("method", "stage", "n", *(f"called_{name.lower()}" for name in NAMES))
KAPPA, CORRECT = "weighted_kappa", "stage_correct"
CUMULATIVE = {"auc_n1": 1, "auc_n2": 2}
POOLED = "folds pooled: probabilities of several models are compared"


@dataclass(frozen=True)
class Staged:
    """Patients with a predicted and a known stage.

    Attributes
    ----------
    truth, call : 0, 1 or 2 (patients,); the call is the most probable stage
    above : probability of pN1 or pN2, and of pN2 (patients, 2)
    fold : that tested each patient (patients,), or None where all folds scored all
    """

    truth: np.ndarray
    call: np.ndarray
    above: np.ndarray
    fold: np.ndarray | None


def both_tables(predictions, stage_scores, role, sheet_rows, n=1000, seed=0):
    """{"pn_stage.tsv": rows, "pn_confusion.tsv": rows}; none where no method predicts pN.

    Parameters
    ----------
    predictions : {method: {fold0: rows, ..., ensemble: rows}}, which show whom a fold tests
    stage_scores : {fold0: rows of its tables of scores with pN, ...}
    role : discovery (each patient from the fold that tests it) or external (the folds' mean)
    sheet_rows : rows of the center's patients, with `pn_stage` and `metastasis`
    n, seed : bootstrap within each stage
    """
    made: dict[str, list] = {"pn_stage.tsv": [], "pn_confusion.tsv": []}
    methods = {row["method"] for rows in stage_scores.values() for row in rows if row.get("p_n2")}
    for method in predictions:
        if method not in methods:
            continue
        by_fold = {
            fold: {row["patient"]: row for row in rows if row["method"] == method}
            for fold, rows in stage_scores.items()
        }
        tested = _tested(predictions[method]) if role == "discovery" else None
        staged = _staged(by_fold, tested, sheet_rows)
        made["pn_stage.tsv"] += list(_rows(method, staged, n, seed))
        made["pn_confusion.tsv"] += list(_confusion(method, staged))
    return made


def weighted_kappa(truth, call, weights=None):
    """Cohen's kappa with quadratic weights (Cohen, Psychol Bull 1968;70:213).

    Parameters
    ----------
    truth, call : 0, 1, 2 (patients,)
    weights : how often each patient is in each resample (resamples, patients); None for the estimate

    Returns
    -------
    float, or float array (resamples,) with NaN where it is undefined

    Raises
    ------
    UndefinedError : without `weights`, where all patients have one and the same stage and call
    """
    copies = np.ones((1, len(truth))) if weights is None else np.asarray(weights, float)
    k = len(NAMES)
    cell = np.asarray(truth) * k + np.asarray(call)
    counts = copies @ (cell[:, None] == np.arange(k * k)).astype(float)
    table = counts.reshape(-1, k, k)
    distance = (np.arange(k)[:, None] - np.arange(k)) ** 2
    expected = table.sum(2)[:, :, None] * table.sum(1)[:, None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        by_chance = (expected * distance).sum((1, 2)) / table.sum((1, 2))
        kappa = 1 - (table * distance).sum((1, 2)) / by_chance
    kappa = np.where(np.isfinite(kappa), kappa, np.nan)
    if weights is not None:
        return kappa
    if np.isnan(kappa[0]):
        raise UndefinedError("kappa needs two stages")
    return float(kappa[0])


def _tested(parts):
    """{patient: fold} of the patients whom a fold tests."""
    return {
        row["patient"]: fold
        for fold, rows in parts.items()
        for row in rows
        if row["subset"] == "test"
    }


def _staged(by_fold, tested, sheet_rows):
    """The patients with a known stage who have probabilities, by content and not by code."""
    listed = []
    for row in sheet_rows:
        truth, patient = stages.of_row(row), row["patient"]
        if truth is None or (tested is not None and patient not in tested):
            continue
        folds = list(by_fold) if tested is None else [tested[patient]]
        rows = [by_fold[fold].get(patient, {}) for fold in folds]
        above = np.array([[tables.number(r.get(c)) for c in ("score", "p_n2")] for r in rows])
        # A mean over fewer folds would be another model.
        if len(above) and not np.isnan(above).any():
            listed.append((truth, *above.mean(0), folds[0]))
    listed.sort()
    truth = np.array([entry[0] for entry in listed], int)
    above = np.array([entry[1:3] for entry in listed], float).reshape(-1, 2)
    shares = np.column_stack([1 - above[:, 0], above[:, 0] - above[:, 1], above[:, 1]])
    fold = None if tested is None else np.array([entry[3] for entry in listed], str)
    return Staged(truth, shares.argmax(1), above, fold)


def _rows(method, staged, n, seed):
    counts = np.bincount(staged.truth, minlength=len(NAMES))
    about = {"method": method, "n": len(staged.truth)}
    about |= {f"n_{name.lower()}": int(c) for name, c in zip(NAMES, counts, strict=True)}
    for metric, function in ((KAPPA, _kappa), (CORRECT, _correct)):
        numbers, reason = answer(function, staged, n, seed)
        yield _row(about, metric, numbers, reason)
    for metric, cut in CUMULATIVE.items():
        numbers, reason = answer(_auc, staged, cut, n, seed)
        yield _row(about, metric, numbers, reason)


def _row(about, metric, numbers, reason):
    row = dict.fromkeys(COLUMNS) | about | {"metric": metric} | (numbers or {})
    return row | {"note": "; ".join(filter(None, [reason, row["note"]]))}


def _kappa(staged, n, seed):
    numbers = {"estimate": weighted_kappa(staged.truth, staged.call)}
    few = [
        name
        for stage, name in enumerate(NAMES)
        if 0 < np.sum(staged.truth == stage) < intervals.FEWEST
    ]
    if few:
        return numbers | {
            "note": f"no interval: fewer than {intervals.FEWEST} patients {', '.join(few)}"
        }
    random = np.random.default_rng(seed)
    copies = np.zeros((n, len(staged.truth)))
    for stage in np.unique(staged.truth):
        inside = staged.truth == stage
        copies[:, inside] = bootstrap.copies_of(random, n, int(inside.sum()))
    drawn = weighted_kappa(staged.truth, staged.call, copies)
    ends, reason = answer(bootstrap.interval, drawn)
    return (
        numbers | dict(zip(("low", "high"), ends or (None, None), strict=True)) | {"note": reason}
    )


def _correct(staged, n, seed):
    """Share of patients whose stage is right, with its exact interval."""
    right = int(np.sum(staged.truth == staged.call))
    low, high = rates.exact_interval(right, len(staged.truth))
    return {"estimate": right / len(staged.truth), "low": low, "high": high}


def _auc(staged, cut, n, seed):
    """AUC of a stage from a cut on; in the discovery center the mean of the folds' where they allow it."""
    y, score, strata, note = staged.truth >= cut, staged.above[:, cut - 1], staged.fold, ""
    y = y.astype(int)
    if strata is not None and intervals.small_folds(y, strata):
        strata, note = None, POOLED
    numbers = {"estimate": rates.estimate(y, score, "auc", strata)}
    if strata is not None:
        numbers["folds"] = len(np.unique(strata))
    design = bootstrap.Design(strata)
    ends, reason = answer(bootstrap.bootstrap_ci, y, score, "auc", n, seed, design)
    numbers |= dict(zip(("low", "high"), ends or (None, None), strict=True))
    return numbers | {"note": "; ".join(filter(None, [note, reason]))}


def _confusion(method, staged):
    for stage, name in enumerate(NAMES):
        calls = np.bincount(staged.call[staged.truth == stage], minlength=len(NAMES))
        yield {"method": method, "stage": name, "n": int(calls.sum())} | {
            f"called_{other.lower()}": int(c) for other, c in zip(NAMES, calls, strict=True)
        }


__all__ = ["COLUMNS", "CONFUSION_COLUMNS", "Staged", "both_tables", "weighted_kappa"]
