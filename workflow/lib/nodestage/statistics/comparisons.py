"""Rows of comparisons.tsv: the declared method against every other, on shared patients.

A difference is `method` minus `reference`. Scores of the folds' models are not on one scale, so
that AUCs of a center with folds are compared fold by fold.
"""

from nodestage.core import reasons
from nodestage.core.names import MAIN_METRICS
from nodestage.statistics import bootstrap, intervals, paired, rates, roc
from nodestage.statistics.performance import NOT_RANKED
from nodestage.statistics.undefined import answer

COLUMNS = (
    "reference",
    "method",
    "metric",
    "n",
    "positives",
    "difference",
    "low",
    "high",
    "p_bootstrap",
    "z_delong",
    "p_delong",
    "p_delong_stratified",
    "p_mcnemar",
    "p_wilcoxon_bootstrap",
    "p_holm",
    "holm_test",
    "detectable_difference",
    "difference_fold_mean",
    "primary",
    "note",
)
PRIMARY = {"metric": "balanced_accuracy", "method": "combined", "reference": "radiomics"}
"""The endpoint where the config declares none, or leaves out a part of it."""


def endpoint(declared):
    """The primary endpoint {metric, method, reference}, from what is declared of it (or None)."""
    return PRIMARY | (declared or {})


def rows(all_scored, method, primary, n=1000, seed=0):
    """The Holm family of one center: `method` against each other method, metric by metric.

    `p_holm` adjusts, within a metric, the test that fits it: DeLong for AUC (stratified by fold
    where there are folds), McNemar for accuracy, sensitivity and specificity, the paired
    bootstrap for balanced accuracy; `holm_test` names it. Undefined tests aren't counted.

    Parameters
    ----------
    all_scored : list of cohort.Scored
    method : the one that is compared with all others
    primary : {metric, method, reference} as declared before the run

    Returns
    -------
    list of dicts with `COLUMNS`
    """
    by_name = {scored.method: scored for scored in all_scored}
    others = [name for name in by_name if name != method]
    if method not in by_name:
        return []
    listed = []
    for metric in MAIN_METRICS:
        family = [_row(by_name[method], by_name[name], metric, n, seed) for name in others]
        adjusted = paired.holm([row[row["holm_test"]] for row in family])
        for row, p in zip(family, adjusted, strict=True):
            row["p_holm"] = p
            row["primary"] = int(
                metric == primary["metric"]
                and {row["method"], row["reference"]} == {primary["method"], primary["reference"]}
            )
        listed += family
    if primary["method"] != method and {primary["method"], primary["reference"]} <= set(by_name):
        row = _row(
            by_name[primary["method"]], by_name[primary["reference"]], primary["metric"], n, seed
        )
        row["primary"] = 1
        row["note"] = "; ".join(filter(None, [reasons.sentence("outside_family"), row["note"]]))
        if not any(other["primary"] for other in listed):
            listed.insert(0, row)
    return listed


def _row(a, b, metric, n, seed):
    stratified = a.fold is not None
    row = dict.fromkeys(COLUMNS) | {
        "reference": b.method,
        "method": a.method,
        "metric": metric,
        "primary": 0,
        "holm_test": _holm_test(metric, stratified),
        "note": "",
    }
    both = a.known(metric) & b.known(metric)
    y, x, z = a.y[both], a.of(metric)[both], b.of(metric)[both]
    row["n"], row["positives"] = len(y), int(y.sum())
    if metric == "auc" and not (a.ranked and b.ranked):
        return row | {"note": NOT_RANKED}
    fold = a.fold[both] if stratified else None
    # Calls of the folds' models are on one scale, their scores are not.
    strata = fold if metric == "auc" else None
    difference, reason = answer(_difference, y, x, z, metric, strata)
    if reason:
        return row | {"note": f"no difference by fold: {reason}" if strata is not None else reason}
    row["difference"] = difference
    drawn = (y, [x, z], metric, n, seed, bootstrap.Design(strata))
    bootstrapped, reason = answer(_bootstrapped, difference, drawn)
    row |= bootstrapped or {}
    if bootstrapped and bootstrapped["low"] is None:
        reason = intervals.SAME
    notes = list(filter(None, [reason or intervals.caution(y, metric, strata)]))
    if strata is not None:
        row |= _by_fold(y, x, z, strata)
    if stratified:
        value, reason = answer(_difference, y, x, z, metric, fold)
        row["difference_fold_mean"] = value
        notes += [f"no fold mean: {reason}"] if reason else []
    if metric == "auc":
        test, reason = answer(roc.delong_test, y, x, z)
        if reason:
            notes.append(f"no DeLong test: {reason}")
        else:
            row["z_delong"], row["p_delong"] = test.z, test.p_value
        if stratified:
            test, reason = answer(roc.delong_test, y, x, z, fold)
            row["p_delong_stratified"] = test.p_value if test else None
            notes += [f"no DeLong test by fold: {reason}"] if reason else []
    elif metric != "balanced_accuracy":
        part = {"accuracy": y >= 0, "sensitivity": y == 1, "specificity": y == 0}[metric]
        row["p_mcnemar"], reason = answer(paired.mcnemar, y[part], x[part], z[part])
        notes += [f"no McNemar test: {reason}"] if reason else []
    return row | {"note": "; ".join(notes)}


def _bootstrapped(difference, drawn):
    """Cells from the bootstrap distribution of a difference; `drawn`: arguments of `resampled`."""
    values = bootstrap.resampled(*drawn)
    gaps = values[0] - values[1]
    result = bootstrap.paired_from(difference, gaps)
    return {
        "low": result.low,
        "high": result.high,
        "p_bootstrap": result.p_value,
        "p_wilcoxon_bootstrap": bootstrap.wilcoxon_from(gaps),
        "detectable_difference": paired.smallest_difference(float(gaps.std(ddof=1)))
        if result.low is not None
        else None,
    }


def _by_fold(y, x, z, strata):
    """DeLong's interval of the mean difference of the folds' AUCs, where it has one."""
    error, _ = answer(roc.difference_error, y, x, z, strata)
    interval = dict.fromkeys(("low", "high", "detectable_difference"))
    if error and not intervals.collapsed(0, error):
        interval["low"], interval["high"] = roc.difference_ci(y, x, z, strata=strata)
        interval["detectable_difference"] = paired.smallest_difference(error)
    return interval


def _difference(y, x, z, metric, strata=None):
    return rates.estimate(y, x, metric, strata) - rates.estimate(y, z, metric, strata)


def _holm_test(metric, stratified):
    if metric == "auc":
        return "p_delong_stratified" if stratified else "p_delong"
    return "p_bootstrap" if metric == "balanced_accuracy" else "p_mcnemar"
