"""Where an interval may be given, what stands in its place, and the words where none may."""

import math

import numpy as np
import pytest
from statistics_cohort import SETTINGS, one, sheet

from nodestage import statistics
from nodestage.core import tables as files_of_rows
from nodestage.report import blocks, headline, numbers
from nodestage.report.sources import Cell, Row, load
from nodestage.statistics import UndefinedError, answer, bootstrap, intervals, tables


def called(calls, role="external", folds=5):
    """Prediction rows of methods, from {method: calls}; a score is its call."""
    found = {}
    for method, values in calls.items():
        parts = {}
        for i, call in enumerate(values):
            row = {"patient": f"P{i:03d}", "subset": "test" if role == "discovery" else "external"}
            row |= {"score": str(call), "probability": str(0.2 + 0.6 * call), "call": str(call)}
            part = f"fold{i % folds}" if role == "discovery" else "ensemble"
            parts.setdefault(part, []).append(row | {"reason": ""})
        found[method] = parts
    return found


def center(labels, calls, role="external", **options):
    rows = sheet(labels)
    return tables.center_tables(
        tables.CenterRows("c", role, rows, rows), called(calls, role, **options), SETTINGS, 0
    )


# ---------------------------------------------------------------- few patients of a class


def lone_positive(positives=1, negatives=20):
    """Combined has all positives right, radiomics none; both call the negatives alike."""
    labels = [1] * positives + [0] * negatives
    same = [int(i % 4 == 0) for i in range(negatives)]
    return center(labels, {"radiomics": [0] * positives + same, "combined": [1] * positives + same})


@pytest.mark.parametrize("positives", [1, 2, 4])
def test_a_bootstrap_of_fewer_than_five_patients_tells_nothing_and_says_why(positives):
    found = lone_positive(positives)
    row = one(found["comparisons.tsv"], metric="balanced_accuracy")
    assert row["difference"] == pytest.approx(0.5)
    for column in ("low", "high", "p_bootstrap", "p_holm", "p_wilcoxon_bootstrap"):
        assert row[column] is None, column
    assert row["detectable_difference"] is None
    assert "fewer than 5 patients with metastasis" in row["note"]
    pair = one(found["comparisons.tsv"], metric="sensitivity")
    assert pair["p_mcnemar"] == pytest.approx(min(1, 2 * 0.5**positives)) and pair["low"] is None
    rows = found["performance.tsv"]
    auc = one(rows, method="combined", metric="auc")
    assert auc["low"] is None and (auc["low_delong"] is None) == (positives == 1)
    sensitivity = one(rows, method="combined", metric="sensitivity")
    assert sensitivity["low"] is None and sensitivity["low_exact"] < 1
    specificity = one(rows, method="combined", metric="specificity")
    assert specificity["low"] < 0.75 < specificity["high"] and "fewer" not in specificity["note"]


def test_balanced_accuracy_of_few_has_the_closed_interval_and_names_it():
    row = one(lone_positive(1)["performance.tsv"], method="combined", metric="balanced_accuracy")
    assert row["estimate"] == 0.875
    expected = intervals.mover(1, 1, 15, 20)
    assert (row["low"], row["high"]) == expected and expected[0] < 0.65
    assert "MOVER" in row["note"] and "fewer than 5 patients with metastasis" in row["note"]
    assert row["se"] is None


def test_mover_by_hand():
    def wilson(k, n, z=1.959963984540054):
        middle = (k + z * z / 2) / (n + z * z)
        reach = z * math.sqrt(k * (n - k) / n + z * z / 4) / (n + z * z)
        return k / n, middle - reach, middle + reach

    (s, s_low, s_high), (t, t_low, t_high) = wilson(2, 3), wilson(30, 40)
    low = (s + t) / 2 - math.hypot(s - s_low, t - t_low) / 2
    high = (s + t) / 2 + math.hypot(s - s_high, t - t_high) / 2
    assert intervals.mover(2, 3, 30, 40) == pytest.approx((low, high), abs=1e-12)
    assert (
        intervals.mover(3, 3, 40, 40)[1] == pytest.approx(1) and intervals.mover(0, 3, 0, 9)[0] >= 0
    )
    with pytest.raises(UndefinedError, match="no patient with metastasis"):
        intervals.mover(0, 0, 3, 9)


def test_the_functions_refuse_as_the_tables_do():
    y, call = [1] * 4 + [0] * 30, [1, 0, 1, 1] + [0] * 30
    for function in (statistics.paired_bootstrap, statistics.wilcoxon_on_bootstrap):
        with pytest.raises(UndefinedError, match="fewer than 5 patients with metastasis"):
            function(y, call, [0] * 34, "balanced_accuracy", n=50)
    with pytest.raises(UndefinedError, match="fewer than 5 patients without metastasis"):
        statistics.bootstrap_ci(np.logical_not(y).astype(int), call, "auc", n=50)
    # A class that the metric does not look at, or that is absent, is no obstacle.
    assert statistics.bootstrap_ci(y, [0, 1] * 17, "specificity", n=50)[0] < 0.5
    assert statistics.bootstrap_ci([0] * 9, [0, 1] * 4 + [0], "accuracy", n=50)[0] < 5 / 9


def test_nodes_of_few_patients_are_few_however_many_they_are():
    patient = np.repeat(np.arange(12), 5)
    y = (patient < 3).astype(int)
    call = np.arange(60) % 2
    found, reason = answer(
        statistics.bootstrap_ci,
        y,
        call,
        "sensitivity",
        n=50,
        design=statistics.Design(clusters=patient),
    )
    assert found is None and "fewer than 5 patients with metastasis" in reason
    assert statistics.bootstrap_ci(
        y, call, "specificity", n=50, design=statistics.Design(clusters=patient)
    )


def test_tables_6_and_7_and_the_subgroups_bear_the_caution():
    labels = [1] * 7 + [0] * 40
    calls = {"radiomics": [0, 1] * 23 + [0], "combined": [1, 1, 0] * 15 + [0, 0]}
    found = center(labels, calls)
    result = {"role": "external"} | {
        key: found[f"{key}.tsv"] for key in ("performance", "comparisons", "table_1")
    }
    seven = tables.study_tables({"c": result}, {}, SETTINGS, 0)["table_7.tsv"]
    row = one(found["subgroups.tsv"], method="combined", group="both present", metric="sensitivity")
    for note in (seven[0]["note"], row["note"]):
        assert "fewer than 10 patients with metastasis: the interval is narrower" in note
    specificity = one(found["performance.tsv"], method="combined", metric="specificity")
    assert specificity["note"] == ""


def test_a_subgroup_of_one_positive_has_no_bootstrap_interval():
    found = lone_positive()["subgroups.tsv"]
    rows = [r for r in found if r["group"] == "both present" and r["method"] == "combined"]
    by_metric = {row["metric"]: row for row in rows}
    assert by_metric["auc"]["low"] is None and "fewer than 5" in by_metric["auc"]["note"]
    balanced = by_metric["balanced_accuracy"]
    assert (balanced["low"], balanced["high"]) == intervals.mover(1, 1, 15, 20)
    assert "MOVER" in balanced["note"]


# ---------------------------------------------------------------- intervals without width


def perfect(role="external", n=40):
    labels = [1, 0] * (n // 2)
    return center(labels, {"radiomics": labels, "combined": labels}, role)


@pytest.mark.parametrize("role", ["external", "discovery"])
def test_perfect_calls_have_no_interval_without_width_anywhere(role):
    found = perfect(role)
    for name in ("performance.tsv", "comparisons.tsv", "subgroups.tsv"):
        for row in found[name]:
            for low, high in (("low", "high"), ("low_delong", "high_delong")):
                if row.get(low) is not None:
                    assert row[high] - row[low] > 1e-6, row
            # What has an estimate and no interval says why.
            value = row.get("estimate", row.get("difference"))
            assert value is None or row["low"] is not None or row["note"], row
    pair = one(found["comparisons.tsv"], metric="balanced_accuracy")
    assert (pair["difference"], pair["p_bootstrap"], pair["low"]) == (0, 1, None)
    assert pair["detectable_difference"] is None
    basis = "ensemble" if role == "external" else "pooled"
    whole = one(
        found["performance.tsv"], method="combined", metric="balanced_accuracy", basis=basis
    )
    assert (whole["low"], whole["high"]) == intervals.mover(20, 20, 20, 20)
    assert "every resample gives the same" in whole["note"] and "MOVER" in whole["note"]


def test_tables_6_and_7_print_the_exact_limits_where_the_bootstrap_has_none():
    results = {
        name: {"role": role}
        | {key: perfect(role)[f"{key}.tsv"] for key in ("performance", "comparisons", "table_1")}
        for name, role in (("home", "discovery"), ("away", "external"))
    }
    found = tables.study_tables(results, {}, SETTINGS, 0)
    row = one(found["table_7.tsv"], method="combined")
    low, _ = statistics.exact_interval(20, 20)
    assert row["sensitivity"] == f"1.000 [exact {low:.3f}-1.000]" and row["auc"] == "1.000"
    assert row["sensitivity_low"] is None
    mean = one(found["table_6.tsv"], method="combined", basis="fold_mean")
    assert mean["balanced_accuracy"] == "1.000 ± 0.000" and "no interval" in mean["note"]


def test_rounding_does_not_hide_that_an_interval_is_a_point():
    """The mean of resamples that are all the same differs from them in the last digit."""
    values = np.append(np.full(500, 0.5), np.full(500, np.nextafter(0.5, 0)))
    with pytest.raises(UndefinedError, match="every resample gives the same"):
        bootstrap.interval(values)
    ends = {"low": Cell("0.49999999999999994", "t", 1, "low"), "high": Cell("0.5", "t", 1, "high")}
    assert "no interval" in numbers.interval(Row(ends))
    assert numbers.interval_words(Row(ends)) == "no interval"
    assert not intervals.collapsed(math.nan, 1) and not intervals.collapsed(0.5, 0.501)


def test_a_difference_that_every_resample_repeats_has_no_test():
    """Five positives, right by one method alone: McNemar's exact p is 0.06, the bootstrap's 0.002."""
    row = one(lone_positive(5)["comparisons.tsv"], metric="balanced_accuracy")
    assert row["p_bootstrap"] is row["low"] is row["p_wilcoxon_bootstrap"] is None
    assert "every resample gives the same" in row["note"]


# ---------------------------------------------------------------- folds


def in_folds(per_fold, negatives=40, seed=0):
    """Five folds with equally many positives each; about two thirds of the calls are right."""
    random = np.random.default_rng(seed)
    labels = [1] * (5 * per_fold) + [0] * negatives
    calls = [int(random.random() < (0.65 if label else 0.35)) for label in labels]
    calls[:5] = [1, 0, 1, 1, 0]
    return center(labels, {"radiomics": calls[::-1], "combined": calls}, "discovery")


def test_a_fold_with_one_patient_of_a_class_leaves_the_mean_without_an_interval():
    """The lone positive of each fold is drawn in each resample: 0.60 [0.60-0.60]."""
    rows = in_folds(1)["performance.tsv"]
    for metric in ("sensitivity", "balanced_accuracy", "accuracy", "auc"):
        row = one(rows, method="combined", metric=metric, basis="fold_mean")
        assert row["estimate"] is not None and row["sd"] > 0
        assert row["low"] is row["se"] is row["low_delong"] is None
        assert "a fold has fewer than 2 patients with metastasis" in row["note"]
    assert one(rows, method="combined", metric="specificity", basis="fold_mean")["low"] is not None
    pooled = one(rows, method="combined", metric="balanced_accuracy", basis="pooled")
    assert pooled["low"] < pooled["estimate"] < pooled["high"]


def test_a_fold_with_two_has_an_interval_with_a_caution_and_three_need_none():
    for per_fold, cautious in ((2, True), (3, False)):
        row = one(
            in_folds(per_fold)["performance.tsv"],
            method="combined",
            metric="balanced_accuracy",
            basis="fold_mean",
        )
        assert row["low"] < row["estimate"] < row["high"]
        assert ("a fold has fewer than 3 patients with metastasis" in row["note"]) == cautious


# ---------------------------------------------------------------- what was left out


def test_resamples_that_define_nothing_are_told_and_above_a_tenth_leave_no_interval():
    labels = [1] * 20 + [0] * 20
    few = [1] + [0] * 39  # called positive: one resample in three has none
    more = [1] * 3 + [0] * 37  # one in twenty
    found = center(labels, {"radiomics": few, "combined": more})["performance.tsv"]
    row = one(found, method="radiomics", metric="ppv")
    assert row["estimate"] == 1 and row["low"] is None and row["low_exact"] < 0.1
    assert "% of the resamples leave it undefined" in row["note"]
    values = np.append(np.arange(95.0), np.full(5, np.nan))
    assert bootstrap.interval(values)[0] > 0
    assert intervals.undefined_share(values) == "5 % of the resamples leave it undefined"
    assert intervals.undefined_share(values[:95]) == ""
    with pytest.raises(UndefinedError, match="no interval: 11 % of the resamples"):
        bootstrap.interval(np.append(np.arange(89.0), np.full(11, np.nan)))


def test_a_fold_that_a_method_could_not_score_is_told():
    labels = [1, 0] * 30
    rows = sheet(labels)
    given = called({"radiomics": labels, "combined": [0, 1, 1, 0, 1, 0] * 10}, "discovery")
    for row in given["combined"]["fold3"]:
        row |= {"score": "", "probability": "", "call": "", "reason": "unfit"}
    found = tables.center_tables(
        tables.CenterRows("c", "discovery", rows, rows), given, SETTINGS, 0
    )["performance.tsv"]
    row = one(found, method="combined", metric="accuracy", basis="fold_mean")
    assert row["folds"] == 4 and "fold3 left out: no patient has a value" in row["note"]
    assert "mean of 4 of 5 folds" in row["note"]
    whole = one(found, method="radiomics", metric="accuracy", basis="fold_mean")
    assert whole["folds"] == 5 and "folds" not in whole["note"]
    assert one(found, method="combined", metric="accuracy", basis="pooled")["folds"] is None


def test_the_page_shows_how_many_of_a_subgroup_have_no_score(tmp_path):
    columns = ("method", "subgroup", "group", "metric", "estimate", "n", "positives", "unscored")
    row = dict(zip(columns, ("combined", "sex", "F", "auc", 0.7, 20, 8, 3), strict=True))
    files_of_rows.write(tmp_path / "subgroups.tsv", [row])
    line = blocks.subgroups(load(tmp_path, "subgroups.tsv"))[0]["lines"][0]
    assert ">3<" in line["unscored"]


# ---------------------------------------------------------------- AUCs of several folds' models


def shifted(n=250, seed=3):
    """Two equally good methods over five folds; the zero of one's scores moves from fold to fold."""
    random = np.random.default_rng(seed)
    labels = [int(i // 5 % 2 == 0) for i in range(n)]
    rows, parts = sheet(labels), {}
    scores = {m: random.normal(size=n) + np.array(labels) for m in ("radiomics", "combined")}
    scores["combined"] += np.array([-2.0, 1.0, 0.0, 2.0, -1.0])[np.arange(n) % 5]
    for method, values in scores.items():
        folds = {}
        for i, value in enumerate(values):
            row = {"patient": f"P{i:03d}", "subset": "test", "score": repr(float(value))}
            row |= {"probability": "0.5", "call": str(int(value > 0.5)), "reason": ""}
            folds.setdefault(f"fold{i % 5}", []).append(row)
        parts[method] = folds
    settings = SETTINGS | {"primary": {"metric": "auc"}}
    found = tables.center_tables(
        tables.CenterRows("c", "discovery", rows, rows), parts, settings, 0
    )
    return np.array(labels), scores, np.arange(n) % 5, found


def test_the_difference_of_two_aucs_is_that_of_the_folds():
    y, scores, fold, found = shifted()
    ours, theirs = scores["combined"], scores["radiomics"]
    row = one(found["comparisons.tsv"], metric="auc")
    test = statistics.delong_test(y, ours, theirs, fold)
    assert row["difference"] == pytest.approx(test.auc_a - test.auc_b)
    assert row["difference"] == row["difference_fold_mean"] and row["primary"] == 1
    expected = statistics.difference_ci(y, ours, theirs, strata=fold)
    assert (row["low"], row["high"]) == pytest.approx(expected)
    assert row["low"] < 0 < row["high"] and row["p_bootstrap"] > 0.05
    assert row["p_delong_stratified"] == pytest.approx(test.p_value) and row["p_delong"] < 0.05
    width = row["high"] - row["low"]
    assert row["detectable_difference"] == pytest.approx(width / 2 / 1.959964 * 2.8016, rel=1e-4)
    # Calls are on one scale: there the folds stay pooled.
    calls = one(found["comparisons.tsv"], metric="accuracy")
    pooled = np.mean((ours > 0.5) == y) - np.mean((theirs > 0.5) == y)
    assert calls["difference"] == pytest.approx(pooled)


def test_where_a_fold_lacks_a_class_the_aucs_are_not_compared():
    found = in_folds(1, negatives=3)["comparisons.tsv"]
    row = one(found, metric="auc")
    assert row["difference"] is row["p_bootstrap"] is None
    assert "no difference by fold: no negative patient" in row["note"]


def test_the_headline_prints_the_p_that_holm_adjusts(tmp_path):
    _, _, _, found = shifted()
    tables.write(tmp_path, {"comparisons.tsv": found["comparisons.tsv"]})
    rows = load(tmp_path, "comparisons.tsv")
    primary = {"method": "combined", "reference": "radiomics"}
    for metric, words in (
        ("auc", "DeLong by fold p"),
        ("sensitivity", "McNemar p"),
        ("balanced_accuracy", "paired bootstrap p"),
    ):
        said = headline.comparison(rows, primary | {"metric": metric}).striptags()
        row = one(found["comparisons.tsv"], metric=metric)
        p = numbers.p_value(row[row["holm_test"]])
        assert f"{words} {'' if p[0] == '<' else '= '}{p}," in said.replace(
            "\N{NO-BREAK SPACE}", " "
        )


def test_subgroup_aucs_are_means_of_the_folds_where_each_fold_allows_it():
    y, scores, fold, found = shifted()
    rows = found["subgroups.tsv"]
    whole = one(rows, method="combined", group="both present", metric="auc")
    expected = statistics.estimate(y, scores["combined"], "auc", fold)
    assert whole["estimate"] == pytest.approx(expected) and whole["note"] == ""
    assert whole["low"] < whole["estimate"] < whole["high"]
    # pT is unknown of every fifth patient: all of them were tested by one fold.
    part = one(rows, method="combined", group="unknown", metric="auc", subgroup="pT stage")
    assert "folds pooled" not in part["note"]
    small = one(in_folds(1)["subgroups.tsv"], method="combined", group="both present", metric="auc")
    assert small["estimate"] is not None and "folds pooled" in small["note"]


# ---------------------------------------------------------------- several centers


def test_hartung_and_knapp_by_hand():
    from scipy.stats import t

    estimate, variance = np.array([0.55, 0.8, 0.65]), np.array([0.002, 0.003, 0.0025])
    found = statistics.random_effects(estimate, variance)
    logit, v = np.log(estimate / (1 - estimate)), variance / (estimate * (1 - estimate)) ** 2
    w = 1 / (v + found["tau2"])
    mean = (w * logit).sum() / w.sum()
    q = max(1, (w * (logit - mean) ** 2).sum() / 2)
    ends = mean + np.array([-1, 1]) * t.ppf(0.975, 2) * np.sqrt(q / w.sum())
    assert (found["low"], found["high"]) == pytest.approx(tuple(1 / (1 + np.exp(-ends))))
    # Alike as they are, centers do not make it narrower than their own variances do.
    alike = statistics.random_effects([0.6, 0.6, 0.6], variance)
    reach = t.ppf(0.975, 2) * np.sqrt(1 / (1 / (variance / 0.24**2)).sum())
    assert alike["high"] == pytest.approx(1 / (1 + np.exp(-(np.log(1.5) + reach))))


def external(labels, calls):
    found = center(labels, {"radiomics": calls, "combined": calls})
    return {"role": "external"} | {
        key: found[f"{key}.tsv"] for key in ("performance", "comparisons", "table_1")
    }


def test_a_center_at_exactly_1_stays_in_the_pooled_value_half_a_patient_corrected():
    labels = [1] * 12 + [0] * 18
    some = [1, 1, 0] * 4 + [0, 0, 1] * 6
    perfect = [1] * 12 + [0, 0, 1] * 6
    results = {
        "a": external(labels, perfect),
        "b": external(labels, some),
        "c": external(labels, some),
    }
    rows = tables.study_tables(results, {}, SETTINGS, 0)["heterogeneity.tsv"]
    row = one(rows, method="combined", metric="sensitivity")
    value = np.array([12.5 / 13, 8 / 12, 8 / 12])
    size = np.array([13, 12, 12])
    expected = statistics.random_effects(value, value * (1 - value) / size)
    assert (row["k"], row["low"]) == (3, pytest.approx(expected["low"]))
    assert "at exactly 0 or 1, 1 center enters with half a patient" in row["note"]
    specificity = one(rows, method="combined", metric="specificity")
    assert specificity["k"] == 3 and specificity["note"] == ""
    auc = one(rows, method="combined", metric="auc")
    assert auc["k"] == 3


def test_balanced_accuracy_of_a_center_without_a_bootstrap_is_pooled_from_its_counts():
    few, many = [1] * 3 + [0] * 18, [1] * 12 + [0] * 18
    results = {
        "few": external(few, [1, 0, 1] + [0, 0, 1] * 6),
        "many": external(many, [1, 1, 0] * 4 + [0, 0, 1] * 6),
        "whole": external(many, many),
    }
    rows = tables.study_tables(results, {}, SETTINGS, 0)["heterogeneity.tsv"]
    row = one(rows, method="combined", metric="balanced_accuracy")
    assert row["k"] == 3 and row["low"] < row["estimate"] < row["high"]
    assert "at exactly 0 or 1, 1 center enters" in row["note"]
    auc = one(rows, method="combined", metric="auc")
    assert auc["k"] == 1 and "2 centers left out: no standard error" in auc["note"]


def test_two_centers_have_an_interval_and_a_warning():
    labels = [1] * 12 + [0] * 18
    some, other = [1, 1, 0] * 4 + [0, 0, 1] * 6, [1, 0, 0] * 4 + [0, 1, 1] * 6
    results = {"a": external(labels, some), "b": external(labels, other)}
    rows = tables.study_tables(results, {}, SETTINGS, 0)["heterogeneity.tsv"]
    row = one(rows, method="combined", metric="sensitivity")
    assert row["low"] < row["estimate"] < row["high"]
    assert "two centers give little information about differences between centers" in row["note"]


def test_what_a_small_center_reports_bears_the_words_of_its_tables():
    """A center that sent summaries alone: what its numbers rest on follows from its counts."""
    labels = [1] * 3 + [0] * 20
    there = center(labels, {"radiomics": [0] * 23, "combined": [1, 0, 1] + [0, 1] * 10})
    told = [
        {k: "" if v is None else str(v) for k, v in row.items()}
        | {"note": "reported by the center"}
        for row in there["performance.tsv"]
    ]
    rows = tables.reported_tables(told, 23, 3, [])["performance.tsv"]
    for metric in ("balanced_accuracy", "sensitivity", "specificity", "auc"):
        mine, theirs = (
            one(found, method="combined", metric=metric)
            for found in (rows, there["performance.tsv"])
        )
        words = [note for note in theirs["note"].split("; ") if "DeLong" not in note]
        assert mine["note"].split("; ") == ["reported by the center", *filter(None, words)]


def test_the_sentence_of_a_comparison_without_a_p_says_that_it_is_undefined(tmp_path):
    tables.write(tmp_path, {"comparisons.tsv": lone_positive()["comparisons.tsv"]})
    primary = {"metric": "balanced_accuracy", "method": "combined", "reference": "radiomics"}
    said = headline.comparison(load(tmp_path, "comparisons.tsv"), primary).striptags()
    said = said.replace("\N{NO-BREAK SPACE}", " ")
    assert "difference 0.50 (no interval), paired bootstrap p undefined," in said
