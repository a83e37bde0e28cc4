"""Tables IV and V, from the evaluation rows of the test patients.

Rows come as `metrics.evaluate_lymph_nodes` and `identification.on_ground_truth` give them, with
`fold`, `patient` and `variant` in front; as Python values or as the text of a table.
"""

import numpy as np

from nodestage import tables
from nodestage.lymph_nodes.table import is_positive
from nodestage.metrics import patients
from nodestage.statistics import bootstrap, paired, rates
from nodestage.statistics.undefined import answer

TABLE_4_COLUMNS = (
    "variant",
    "metric",
    "mean",
    "sd",
    "pooled",
    "low",
    "high",
    "folds",
    "nodes",
    "positives",
    "patients",
    "note",
)
TABLE_5_COLUMNS = (
    "stage",
    "class",
    "variant",
    "basis",
    *patients.MEASURES,
    "dice_low",
    "dice_high",
    "f_low",
    "f_high",
    "n",
    "both_empty",
    *(f"n_{measure}" for measure in patients.MEASURES),
    "shared",
    "p_dice",
    "p_f",
    "share_dice",
    "share_f",
    "note",
)
TABLE_4_METRICS = ("auc", "accuracy", "balanced_accuracy", "sensitivity", "specificity")
STAGES = {"any": "class-agnostic", "positive": "class-aware", "negative": "class-aware"}
COUNTS = ("tp", "fp", "fn", "voxel_tp", "voxel_fp", "voxel_fn", "truth_nodes", "predicted_nodes")


def table_4(rows, n=1000, seed=0):
    """Positive or negative, on true instances (Table IV): fold means, pooled, intervals.

    The interval belongs to the pooled value and takes the patient as the cluster: nodes of one
    patient are not independent.

    Parameters
    ----------
    rows : {fold, patient, variant, positive (0/1), p_positive}, one a true instance
    n, seed : bootstrap

    Returns
    -------
    list of dicts with `TABLE_4_COLUMNS`
    """
    found = []
    for variant in _unique(rows, "variant"):
        mine = [row for row in rows if row["variant"] == variant]
        part = [row for row in mine if not np.isnan(tables.number(row["p_positive"]))]
        unscored = len(mine) - len(part)
        y = np.array([int(tables.number(row["positive"])) for row in part])
        score = np.array([tables.number(row["p_positive"]) for row in part])
        fold = np.array([str(row["fold"]) for row in part])
        patient = np.array([str(row["patient"]) for row in part])
        for metric in TABLE_4_METRICS:
            values = score if metric == "auc" else is_positive(score).astype(float)
            single, notes = [], [f"{unscored} instances without a probability"] * bool(unscored)
            for name in np.unique(fold):
                inside = fold == name
                value, reason = answer(rates.estimate, y[inside], values[inside], metric, of="node")
                if reason:
                    notes.append(f"fold {name} left out: {reason}")
                else:
                    single.append(value)
            pooled, reason = answer(rates.estimate, y, values, metric, of="node")
            ends = (None, None)
            if reason:
                notes.append(reason)
            else:
                ends, _ = answer(
                    bootstrap.bootstrap_ci, y, values, metric, n, seed, clusters=patient
                )
            found.append(
                {
                    "variant": variant,
                    "metric": metric,
                    "mean": float(np.mean(single)) if single else None,
                    "sd": float(np.std(single, ddof=1)) if len(single) > 1 else None,
                    "pooled": pooled,
                    "low": ends[0] if ends else None,
                    "high": ends[1] if ends else None,
                    "folds": len(single),
                    "nodes": len(y),
                    "positives": int(y.sum()),
                    "patients": len(set(patient)),
                    "note": "; ".join(notes),
                }
            )
    return found


def table_5(rows, reference="attention", n=1000, seed=0):
    """Segmentation before and after identification (Table V).

    `fold_mean` is the mean over folds of the patients' mean rates (the paper's), `patient_mean`
    that over all patients, `pooled` the rate of summed counts. Intervals of Dice and F resample
    whole patients, within their folds for `fold_mean`. p is one signed-rank test on the shared
    patients' pairs against `reference`; `share` that of 1,000 resamples with p < 0.05.

    Parameters
    ----------
    rows : the `classes` rows of `metrics.evaluate_lymph_nodes` with fold, patient, variant

    Returns
    -------
    list of dicts with `TABLE_5_COLUMNS`
    """
    rows = [_numbers(row) for row in rows]
    variants = _unique(rows, "variant")
    found = []
    for name, stage in STAGES.items():
        for variant in variants:
            part = [r for r in rows if r["class"] == name and r["variant"] == variant]
            if not part:
                continue
            tests = {}
            if variant != reference and reference in variants:
                ours = [r for r in rows if r["class"] == name and r["variant"] == reference]
                tests = _tests(ours, part, n, seed)
            about = {"stage": stage, "class": name, "variant": variant}
            by_patient = patients.patient_mean(part)
            folds = [
                patients.patient_mean([r for r in part if r["fold"] == fold])
                for fold in _unique(part, "fold")
            ]
            means = {m: _mean([fold[m] for fold in folds]) for m in patients.MEASURES}
            bases = {
                "fold_mean": by_patient | means | tests,
                "patient_mean": by_patient,
                "pooled": patients.pooled(part),
            }
            found += [
                _row(about | {"basis": basis} | values | _intervals(part, basis, n, seed))
                for basis, values in bases.items()
            ]
    return found


def _intervals(part, basis, n, seed):
    """Percentile ends of Dice and F over resamples of whole patients."""
    fold = np.array([row["fold"] if basis == "fold_mean" else "" for row in part])
    random = np.random.default_rng(seed)
    fewer = int(basis == "fold_mean")  # as in `bootstrap_ci`
    drawn = {"dice": [], "f": []}
    for name in np.unique(fold):
        rows = [row for row, inside in zip(part, fold == name, strict=True) if inside]
        copies = bootstrap.copies_of(random, n, len(rows), fewer).astype(float)
        for measure, prefix in (("dice", "voxel_"), ("f", "")):
            if basis == "pooled":
                tp, fp, fn = (
                    copies @ [row[f"{prefix}{count}"] for row in rows]
                    for count in ("tp", "fp", "fn")
                )
                above, below = 2 * tp, 2 * tp + fp + fn
            else:
                known = np.array([row[measure] is not None for row in rows], float)
                above = copies @ [row[measure] or 0.0 for row in rows]
                below = copies @ known
            with np.errstate(invalid="ignore"):
                drawn[measure].append(above / below)
    found = {}
    for measure, folds in drawn.items():
        # A fold that no patient of a resample defines is left out, as in the estimate.
        folds = np.ma.masked_invalid(folds)
        ends, _ = answer(bootstrap.interval, folds.mean(0).filled(np.nan))
        found |= dict(zip((f"{measure}_low", f"{measure}_high"), ends or (None, None), strict=True))
    return found


def _tests(ours, theirs, n, seed):
    """Signed-rank tests on the patients that both variants have."""
    mine = {r["patient"]: r for r in ours}
    pairs = [(mine[r["patient"]], r) for r in theirs if r["patient"] in mine]
    found, notes = {"shared": len(pairs)}, []
    for measure in ("dice", "f"):
        a, b = (
            np.array([np.nan if r[measure] is None else r[measure] for r in side], float)
            for side in (zip(*pairs, strict=True) if pairs else ((), ()))
        )
        found[f"p_{measure}"], reason = answer(paired.signed_rank, a, b)
        if reason:
            notes.append(f"{measure}: {reason}")
        else:
            found[f"share_{measure}"] = paired.signed_rank_share(a, b, n, seed)
    return found | {"note": "; ".join(notes)}


def _row(values):
    return {column: values.get(column) for column in TABLE_5_COLUMNS}


def _numbers(row):
    """Rates as floats or None and counts as integers, whichever form they came in."""
    row = dict(row)
    for measure in patients.MEASURES:
        value = tables.number(row[measure])
        row[measure] = None if np.isnan(value) else value
    for count in COUNTS:
        if count in row:
            row[count] = int(tables.number(row[count]))
    return row | {"empty": row.get("empty") or "", "fold": str(row["fold"])}


def _unique(rows, key):
    return list(dict.fromkeys(row[key] for row in rows))


def _mean(values):
    values = [value for value in values if value is not None]
    return float(np.mean(values)) if values else None
