"""Thresholds, calibration, frozen numbers and ensembles, against plain versions."""

import itertools
import json
import math

import numpy as np
import pytest

from nodestage.core import predictions
from nodestage.core.errors import InputError


def plain_best(y, score):
    """Balanced accuracy at every midpoint, one at a time."""
    distinct = sorted(set(score))
    cuts = [(a + b) / 2 for a, b in itertools.pairwise(distinct)]
    return {cut: (np.mean(score[y == 1] > cut) + np.mean(score[y == 0] <= cut)) / 2 for cut in cuts}


@pytest.mark.parametrize("seed", range(20))
def test_threshold_is_a_midpoint_of_the_best_balanced_accuracy(seed):
    random = np.random.default_rng(seed)
    y = random.integers(0, 2, 40)
    score = random.integers(0, 15, 40) / 10 if seed % 2 else random.normal(size=40)
    table = plain_best(y, score)
    cut = predictions.threshold(y, score)
    assert min(abs(cut - c) for c in table) < 1e-12
    nearest = min(table, key=lambda c: abs(c - cut))
    assert table[nearest] == pytest.approx(max(table.values()))


def test_ties_go_to_the_longest_plateau():
    # Best at 0.25 (between 0.1 and 0.4) and at 0.7 (between 0.5 and 0.9): the second is longer.
    assert predictions.threshold([0, 1, 0, 1], [0.1, 0.4, 0.5, 0.9]) == pytest.approx(0.7)


def test_the_middle_of_a_plateau_of_several_candidates():
    # At 0.2 and at 0.5 one of each class: three neighbouring candidates are equally good.
    y = [0, 0, 1, 0, 1, 1]
    score = [0.0, 0.2, 0.2, 0.5, 0.5, 0.9]
    assert predictions.threshold(y, score) == pytest.approx(0.35)


def test_threshold_of_a_volume_is_never_negative_and_no_node_is_negative():
    cut = predictions.threshold([0, 0, 1, 1], [0, 0, 200.0, 300.0], nonnegative=True)
    assert cut == 100
    assert predictions.threshold([0, 1], [0.0, 0.0], nonnegative=True) == 0


def test_one_distinct_score_calls_nobody():
    assert predictions.threshold([0, 1, 1], [0.4, 0.4, 0.4]) == 0.4


def test_neighbouring_floats_are_still_told_apart():
    low = 0.3
    high = math.nextafter(low, 1)
    cut = predictions.threshold([0, 1], [low, high])
    assert low <= cut < high


def test_one_class_is_refused_in_words():
    with pytest.raises(ValueError, match="3 positive and 0 negative"):
        predictions.threshold([1, 1, 1], [1, 2, 3])
    with pytest.raises(ValueError, match="finite"):
        predictions.threshold([0, 1], [0.1, math.nan])


def test_calibration_equals_maximum_likelihood_on_platts_targets():
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(4)
    y = random.integers(0, 2, 200)
    score = random.normal(size=200) * 300 + 400 + 200 * y
    found = predictions.calibrate(y, score)
    n1, n0 = y.sum(), (1 - y).sum()
    target = np.where(y == 1, (n1 + 1) / (n1 + 2), 1 / (n0 + 2))
    # Soft targets are two weighted copies of each patient.
    x = np.concatenate([score, score])[:, None] / 300
    model = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000)
    model.fit(x, np.repeat([1, 0], 200), sample_weight=np.concatenate([target, 1 - target]))
    assert found["slope"] == pytest.approx(model.coef_[0, 0] / 300, rel=1e-5)
    assert found["intercept"] == pytest.approx(model.intercept_[0], rel=1e-5)


@pytest.mark.parametrize(
    "score", [[0.1, 0.2, 0.8, 0.9], [0, 0, 1e6, 2e6], [0.5] * 4, [0.9, 0.8, 0.2, 0.1]]
)
def test_calibration_stays_finite_and_never_turns_a_score_round(score):
    found = predictions.calibrate([0, 0, 1, 1], score)
    assert all(math.isfinite(value) for value in found.values()) and found["slope"] >= 0
    values = [predictions.calibrated(s, found) for s in sorted(score)]
    assert all(0 < v < 1 for v in values) and values == sorted(values)


def test_extreme_scores_do_not_overflow():
    steep = {"intercept": 0.0, "slope": 1e6}
    assert predictions.calibrated(1e9, steep) == 1 and 0 <= predictions.calibrated(-1e9, steep)
    assert predictions.calibrated(None, steep) is None
    assert predictions.calibrated(0.3, None) is None


def frozen_example():
    labels = {"P1": 0, "P2": 0, "P3": 1, "P4": 1}
    scores = {
        "combined": {"P1": 0.2, "P2": 0.4, "P3": 0.6, "P4": (None, "no tumor found")},
        "nodes_plain": {"P1": 0, "P2": 0, "P3": 120, "P4": 300},
        "ct_report": {"P1": 0, "P2": 1, "P3": 1, "P4": 0},
        "mine": [{"patient": p, "score": "0.5", "reason": ""} for p in labels if labels[p]],
    }
    calls = {"nodes_plain": {"nonnegative": True}, "ct_report": {"threshold": False}}
    return predictions.freeze(scores, labels, calls)


def test_freezing_gives_plain_json():
    frozen = frozen_example()
    assert json.loads(json.dumps(frozen)) == frozen
    assert frozen["combined"]["threshold"] == pytest.approx(0.5) and frozen["combined"]["n"] == 3
    assert frozen["nodes_plain"]["threshold"] == 60
    assert frozen["ct_report"]["call_is_score"] and frozen["ct_report"]["threshold"] is None
    assert "2 positive and 0 negative" in frozen["mine"]["reason"]


def test_every_patient_has_a_row_with_a_call_or_a_reason():
    frozen = frozen_example()
    subsets = {"P5": "test", "P6": "test", "P7": "test"}
    scores = {"P5": 0.5000001, "P6": (None, "no venous phase")}
    rows = predictions.prediction_rows(scores, subsets, frozen["combined"], "combined")
    assert [tuple(row) for row in rows] == [predictions.COLUMNS] * 3
    assert [row["call"] for row in rows] == [1, None, None]
    assert rows[1]["reason"] == "no venous phase" and "no row" in rows[2]["reason"]
    assert 0 < rows[0]["probability"] < 1


def test_a_score_on_the_threshold_is_negative():
    frozen = frozen_example()["nodes_plain"]
    row = predictions.prediction_rows({"P": frozen["threshold"]}, {"P": "test"}, frozen, "mine")[0]
    assert row["call"] == 0


def test_the_ct_report_needs_no_threshold():
    frozen = frozen_example()["ct_report"]
    rows = predictions.prediction_rows(
        {"P": 1, "Q": "0"}, {"P": "test", "Q": "test"}, frozen, "ct_report"
    )
    assert [row["call"] for row in rows] == [1, 0]
    assert [row["probability"] for row in rows] == [None, None]


def test_a_fold_without_a_threshold_gives_scores_without_calls():
    frozen = frozen_example()["mine"]
    row = predictions.prediction_rows({"P": 0.7}, {"P": "test"}, frozen, "mine")[0]
    assert row["score"] == 0.7 and row["call"] is None and "one" not in row["reason"][:3]
    assert row["reason"].startswith("no threshold")


def fold(threshold, scores):
    frozen = {
        "threshold": threshold,
        "calibration": {"intercept": 0.0, "slope": 1.0},
        "call_is_score": False,
        "reason": "",
    }
    return predictions.prediction_rows(
        scores, dict.fromkeys(scores, "external"), frozen, "mine"
    ), frozen


def test_ensemble_is_mean_score_against_mean_threshold():
    first, second = fold(0.2, {"P": 0.3, "Q": 0.1}), fold(0.6, {"P": 0.6, "Q": 0.6})
    rows = predictions.ensemble([first[0], second[0]], [first[1], second[1]])
    assert [row["score"] for row in rows] == pytest.approx([0.45, 0.35])
    assert [row["call"] for row in rows] == [1, 0]
    expected = np.mean([first[0][0]["probability"], second[0][0]["probability"]])
    assert rows[0]["probability"] == pytest.approx(expected)


def test_ensemble_reads_what_a_table_holds_as_text():
    first, second = fold(0.2, {"P": 0.3}), fold(0.6, {"P": 0.6})
    text = [{key: str(value) for key, value in row.items()} for row in first[0]]
    assert predictions.ensemble([text, second[0]], [first[1], second[1]]) == (
        predictions.ensemble([first[0], second[0]], [first[1], second[1]])
    )


def test_a_patient_unscored_in_one_fold_is_unscored_and_told():
    first, second = fold(0.2, {"P": (None, "no tumor found")}), fold(0.6, {"P": 0.6})
    row = predictions.ensemble([first[0], second[0]], [first[1], second[1]])[0]
    assert row["score"] is None and row["call"] is None
    assert row["reason"] == "unscored in 1 of 2 folds: no tumor found"


def test_other_external_patients_do_not_matter():
    first, second = fold(0.2, {"P": 0.3, "Q": 9.0}), fold(0.6, {"P": 0.6, "Q": -9.0})
    alone = fold(0.2, {"P": 0.3}), fold(0.6, {"P": 0.6})
    together = predictions.ensemble([first[0], second[0]], [first[1], second[1]])
    single = predictions.ensemble([a[0] for a in alone], [a[1] for a in alone])
    assert together[0] == single[0]


def votes(*calls):
    """Rows of one patient in as many folds, by a method whose call is its score."""
    frozen = frozen_example()["ct_report"]
    rows = [predictions.prediction_rows({"P": c}, {"P": "external"}, frozen, "mine") for c in calls]
    return predictions.ensemble(rows, [frozen] * len(calls))[0]


@pytest.mark.parametrize(
    "calls, score, call",
    [((1, 1, 1, 1, 0), 0.8, 1), ((1, 1, 0, 0, 0), 0.4, 0), ((1, 0), 0.5, 0), ((1, 1), 1, 1)],
)
def test_votes_are_counted_and_the_majority_is_the_call(calls, score, call):
    row = votes(*calls)
    assert row["score"] == pytest.approx(score) and row["call"] == call


@pytest.mark.parametrize("score", [0.9, 2, -1])
def test_a_score_that_can_be_no_call_is_refused_where_the_call_is_the_score(score):
    said = rf"method mine scored P with {score}.* 0 or 1.*`methods.mine.threshold`"
    with pytest.raises(InputError, match=said):
        predictions.freeze({"mine": {"P": score}}, {"P": 1}, {"mine": {"threshold": False}})
    with pytest.raises(InputError, match=said):
        predictions.prediction_rows(
            {"P": score}, {"P": "test"}, frozen_example()["ct_report"], "mine"
        )
