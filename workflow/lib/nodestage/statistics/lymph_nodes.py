"""Tables IV and V, from the evaluation rows of the test patients.

Rows come as `metrics.evaluate_lymph_nodes` and `identification.on_ground_truth` give them, with
`fold`, `patient` and `variant` in front; as Python values or as the text of a table.
"""

import numpy as np

from nodestage.core import tables
from nodestage.core.instances import is_positive
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
COMPARED = ("dice", "f")
"""Measures of Table V that are compared between variants, on the patients whom both define."""

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
    *(
        column.format(measure)
        for measure in COMPARED
        for column in ("pairs_{}", "{}_on_pairs", "reference_{}_on_pairs", "p_{}", "share_{}")
    ),
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
    rows : {fold, patient, variant, positive (0/1), p_positive}, one per true instance
    n, seed : bootstrap

    Returns
    -------
    list of dicts with `TABLE_4_COLUMNS`
    """
    lines = []
    for variant in _unique(rows, "variant"):
        of_variant = [row for row in rows if row["variant"] == variant]
        part = [row for row in of_variant if not np.isnan(tables.number(row["p_positive"]))]
        unscored = len(of_variant) - len(part)
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
                ends, reason = answer(
                    bootstrap.bootstrap_ci,
                    y,
                    values,
                    metric,
                    n,
                    seed,
                    bootstrap.Design(clusters=patient),
                )
                notes += filter(None, [reason])
            lines.append(
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
    return lines


def table_5(rows, reference="attention", n=1000, seed=0):
    """Segmentation before and after identification (Table V).

    `fold_mean` is the mean over folds of the patients' mean rates (the paper's), `patient_mean`
    that over all patients, `pooled` the rate of summed counts. Intervals of Dice and F resample
    whole patients, within their folds for `fold_mean`. A variant's means leave out the patients
    in whom its measure is undefined (`metrics`), who may be others than `reference` leaves out: so
    `on_pairs` has both means on the patients in whom both are defined, `pairs` their number. p is one
    signed-rank test on these pairs; `share` that of 1,000 resamples with p < 0.05.

    Parameters
    ----------
    rows : the `classes` rows of `metrics.evaluate_lymph_nodes` with fold, patient, variant

    Returns
    -------
    list of dicts with `TABLE_5_COLUMNS`
    """
    rows = [_numbers(row) for row in rows]
    variants = _unique(rows, "variant")
    lines = []
    for name, stage in STAGES.items():
        for variant in variants:
            part = [r for r in rows if r["class"] == name and r["variant"] == variant]
            if not part:
                continue
            pairs = {}
            if variant != reference:
                ours = [r for r in rows if r["class"] == name and r["variant"] == reference]
                pairs = _pairs(ours, part) if ours else {}
            about = {"stage": stage, "class": name, "variant": variant}
            by_patient = patients.patient_mean(part)
            means = {m: _fold_mean(part, m) for m in patients.MEASURES}
            bases = {
                "fold_mean": by_patient
                | means
                | _on_pairs(pairs, _fold_mean)
                | _tests(pairs, n, seed),
                "patient_mean": by_patient | _on_pairs(pairs, _patient_mean),
                "pooled": patients.pooled(part),
            }
            lines += [
                _row(about | {"basis": basis} | values | _intervals(part, basis, n, seed))
                for basis, values in bases.items()
            ]
    return lines


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
    intervals_of = {}
    for measure, folds in drawn.items():
        # A fold that no patient of a resample defines is left out, as in the estimate.
        folds = np.ma.masked_invalid(folds)
        ends, _ = answer(bootstrap.interval, folds.mean(0).filled(np.nan))
        intervals_of |= dict(
            zip((f"{measure}_low", f"{measure}_high"), ends or (None, None), strict=True)
        )
    return intervals_of


def _pairs(ours, reference_rows):
    """{measure: [(reference's row, the other's row)]} of the patients whom both define."""
    by_patient = {r["patient"]: r for r in ours}
    both = [(by_patient[r["patient"]], r) for r in reference_rows if r["patient"] in by_patient]
    return {
        measure: [pair for pair in both if all(row[measure] is not None for row in pair)]
        for measure in COMPARED
    }


def _on_pairs(pairs, mean):
    """Number of pairs, and the mean of either side of them."""
    on_pairs = {}
    for measure, both in pairs.items():
        on_pairs[f"pairs_{measure}"] = len(both)
        on_pairs[f"{measure}_on_pairs"] = mean([row for _, row in both], measure)
        on_pairs[f"reference_{measure}_on_pairs"] = mean([row for row, _ in both], measure)
    return on_pairs


def _tests(pairs, n, seed):
    """Signed-rank tests on the pairs of each measure."""
    p_values, notes = {}, []
    for measure, both in pairs.items():
        a, b = (np.array([pair[side][measure] for pair in both], float) for side in (0, 1))
        p_values[f"p_{measure}"], reason = answer(paired.signed_rank, a, b)
        if reason:
            notes.append(f"{measure}: {reason}")
        else:
            p_values[f"share_{measure}"] = paired.signed_rank_share(a, b, n, seed)
    return p_values | {"note": "; ".join(notes)}


def _patient_mean(rows, measure):
    return _mean([row[measure] for row in rows])


def _fold_mean(rows, measure):
    """Mean of the folds' means; a fold in which no patient defines the measure is left out."""
    return _mean(
        [
            _patient_mean([row for row in rows if row["fold"] == fold], measure)
            for fold in _unique(rows, "fold")
        ]
    )


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
