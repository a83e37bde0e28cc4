"""The threshold for a declared sensitivity: chosen on V, frozen, and what it gives elsewhere."""

import itertools
import json

import numpy as np
import pytest
from statistics_cohort import SETTINGS, one, sheet
from statistics_cohort import predictions as made_up

from nodestage.core import operating, predictions
from nodestage.report import sources, trust
from nodestage.statistics import tables

POINT = {"sensitivity": 0.8}


def slow(y, score, metric, wanted):
    """Every cut between and beyond the scores, one by one."""
    distinct = sorted(set(score))
    middles = [(a + b) / 2 for a, b in itertools.pairwise(distinct)]
    best = None
    for cut in [distinct[0] - 1, *middles, distinct[-1]]:
        sens = sum(s > cut for s, label in zip(score, y, strict=True) if label) / sum(y)
        spec = sum(s <= cut for s, label in zip(score, y, strict=True) if not label) / (
            len(y) - sum(y)
        )
        first, other = (sens, spec) if metric == "sensitivity" else (spec, sens)
        if first >= wanted - 1e-9 and (best is None or (other, first) > best):
            best = (other, first)
    return best


@pytest.mark.parametrize("metric", operating.METRICS)
@pytest.mark.parametrize("seed", range(20))
def test_the_cut_has_the_best_other_share_of_all_that_reach_the_declared_one(metric, seed):
    random = np.random.default_rng(seed)
    y = np.concatenate([[0, 1], random.integers(0, 2, 12)])
    score = np.round(random.normal(y, 1.0), 1)  # with ties
    wanted = random.choice([0.5, 0.8, 0.9, 0.95])
    cut = operating.threshold(y, score, metric, wanted)
    called = score > cut
    sens, spec = called[y == 1].mean(), 1 - called[y == 0].mean()
    first, other = (sens, spec) if metric == "sensitivity" else (spec, sens)
    assert first >= wanted - 1e-9
    assert (other, first) == pytest.approx(slow(y.tolist(), score.tolist(), metric, wanted))


def test_everybody_or_nobody_is_called_where_nothing_less_reaches_it():
    y, score = [1, 0, 0, 1], [0.1, 0.2, 0.3, 0.4]
    cut = operating.threshold(y, score, "sensitivity", 0.9)
    assert cut < 0.1 and np.isfinite(cut)
    assert operating.threshold([1, 0], [0.1, 0.2], "specificity", 0.9) == 0.2


def test_a_positive_patient_without_a_node_can_not_be_reached_by_a_volume():
    y, volume = [1, 1, 0, 0], [0.0, 300.0, 0.0, 100.0]
    assert operating.threshold(y, volume, "sensitivity", 0.9, nonnegative=True) is None
    assert operating.threshold(y, volume, "sensitivity", 0.5, nonnegative=True) == 200
    record = operating.frozen(y, volume, {"sensitivity": 0.9}, nonnegative=True)
    assert record["threshold"] is None and "no threshold above 0 reaches" in record["reason"]
    cut, reason = operating.mean_threshold([{"operating_point": record, "reason": ""}])
    assert cut is None and "(1 of 1 folds)" in reason


def test_shares_of_counts_are_not_missed_by_rounding():
    y = [1] * 10 + [0] * 2
    score = [*range(10), -1, -2]
    assert operating.threshold(y, score, "sensitivity", 0.7) < 0  # 10 of 10 at no cost
    assert operating.threshold(y, [*range(10), 2.5, 2.6], "sensitivity", 0.7) == 2.8


def scores(n=24, seed=3, methods=("combined", "ct_report")):
    random = np.random.default_rng(seed)
    labels = {f"P{i}": i % 2 for i in range(n)}
    made = {"combined": {p: float(random.normal(y)) for p, y in labels.items()}}
    made["ct_report"] = {p: float(y) for p, y in labels.items()}
    return {m: made[m] for m in methods}, labels


SETTINGS_OF_METHODS = {"ct_report": {"threshold": False}}


def test_without_a_declared_point_nothing_is_frozen_that_was_not_before():
    given, labels = scores()
    plain = predictions.freeze(given, labels, SETTINGS_OF_METHODS)
    assert all("operating_point" not in record for record in plain.values())
    declared = predictions.freeze(given, labels, SETTINGS_OF_METHODS, POINT)
    point = declared["combined"].pop("operating_point")
    assert declared == plain  # the first threshold and the calibration stay
    assert point["metric"] == "sensitivity" and point["sensitivity"] >= 0.8
    json.dumps(point, allow_nan=False)


def test_only_validation_patients_decide():
    given, labels = scores()
    validation = {p: y for p, y in labels.items() if int(p[1:]) < 16}
    first = predictions.freeze(given, validation, SETTINGS_OF_METHODS, POINT)
    for patient in set(labels) - set(validation):
        given["combined"][patient] = 99.0
    assert predictions.freeze(given, validation, SETTINGS_OF_METHODS, POINT) == first


def test_one_class_leaves_the_reason_of_the_threshold():
    given, labels = scores(methods=("combined",))
    record = predictions.freeze(given, dict.fromkeys(labels, 1), None, POINT)["combined"]
    assert record["operating_point"]["threshold"] is None
    cut, reason = operating.mean_threshold([record, record])
    assert cut is None and "the validation part has 24 positive and 0 negative" in reason


def frozen(cuts):
    point = {"metric": "sensitivity", "wanted": 0.8, "reason": ""}
    return {
        f"fold{i}": {
            method: {"reason": "", "operating_point": point | {"threshold": cut}}
            for method in ("radiomics", "combined", "a_users_own")
        }
        | {"ct_report": {"reason": ""}}
        for i, cut in enumerate(cuts)
    }


def center(role, cuts, labels=None):
    rows = sheet(labels or [0, 1] * 20)
    given = made_up(rows, role)
    about = tables.CenterRows("here", role, rows, rows)
    return given, tables.center_tables(about, given, SETTINGS, 0, frozen(cuts))


def test_an_external_center_is_called_at_the_mean_of_the_folds_thresholds():
    given, found = center("external", [-0.5, 0.1, 0.1, 0.1, 0.2])
    rows = found["operating_point.tsv"]
    assert {row["method"] for row in rows} == {"radiomics", "combined", "a_users_own"}
    row = one(rows, method="combined", metric="sensitivity")
    assert row["threshold"] == pytest.approx(0.0) and row["basis"] == "ensemble"
    scored = [float(r["score"]) for r in given["combined"]["ensemble"][1::2]]
    assert row["estimate"] == pytest.approx(np.mean(np.array(scored) > 0.0))
    assert row["low"] < row["estimate"] < row["high"]


def test_a_test_patient_is_called_by_its_own_folds_threshold():
    cuts = [-9.0, 9.0, -9.0, 9.0, -9.0]
    _, found = center("discovery", cuts)
    row = one(found["operating_point.tsv"], method="combined", metric="sensitivity", basis="pooled")
    positive_folds = [i % 5 for i in range(40) if i % 2]
    assert row["estimate"] == pytest.approx(np.mean([f % 2 == 0 for f in positive_folds]))


def test_every_other_table_keeps_its_numbers():
    given, found = center("external", [0.0] * 5)
    rows = sheet([0, 1] * 20)
    plain = tables.center_tables(
        tables.CenterRows("here", "external", rows, rows), given, SETTINGS, 0
    )
    assert plain.pop("operating_point.tsv") == [] and found.pop("operating_point.tsv")
    assert plain == found


def test_a_fold_without_a_threshold_is_a_reason():
    _, found = center("external", [0.0, None, 0.0, 0.0, 0.0])
    row = one(found["operating_point.tsv"], method="combined", metric="sensitivity")
    assert row["estimate"] is None and "(1 of 5 folds)" in row["note"]


def test_the_page_names_target_and_thresholds(tmp_path):
    _, found = center("external", [0.25] * 5)
    tables.write(tmp_path, {"operating_point.tsv": found["operating_point.tsv"]})
    block = trust.operating(sources.load(tmp_path, "operating_point.tsv"))
    assert "sensitivity" in block["words"] and "0.8" in block["words"]
    assert any("Combined" in text and "0.25" in text for text in block["thresholds"])
    assert [b["basis"] for b in block["blocks"]] == ["ensemble of the folds’ models"]
    assert trust.operating(sources.Rows()) is None
