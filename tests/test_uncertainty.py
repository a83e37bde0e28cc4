"""Spread over the folds, conformal sets made on V, and abstention."""

import json

import numpy as np
import pytest
from statistics_cohort import SETTINGS, one, sheet

from nodestage.core import conformal, predictions
from nodestage.report import sources, trust
from nodestage.statistics import abstention, tables, uncertainty

OPTION = {"coverage": 0.8, "by_class": True}


def slow_p(record, p, label, by_class):
    """The p-value by counting one by one."""
    negatives, positives = record["negative"], record["positive"]
    others = []
    if not (by_class and label):
        others += negatives
    if label or not by_class:
        others += [1 - q for q in positives]
    own = 1 - p if label else p
    return (1 + sum(other >= own for other in others)) / (1 + len(others))


@pytest.mark.parametrize("by_class", [True, False])
def test_p_values_equal_a_plain_count(by_class):
    random = np.random.default_rng(0)
    y, p = random.integers(0, 2, 40), random.random(40)
    record = conformal.frozen(y, p)
    json.dumps(record, allow_nan=False)
    new = np.concatenate([random.random(20), p[:5]])
    found = conformal.p_values([record], [new], by_class)
    for row, value in zip(found, new, strict=True):
        plain = [slow_p(record, value, label, by_class) for label in (0, 1)]
        assert row == pytest.approx(plain)


def test_folds_together_are_one_count_over_all_their_validation_patients():
    random = np.random.default_rng(3)
    records = [conformal.frozen([0, 1, 1, 0], random.random(4)) for _ in range(3)]
    new = random.random((3, 6))
    found = conformal.p_values(records, new)
    for patient in range(6):
        for label, name in enumerate(conformal.CLASSES):
            against = [
                (1 - q if label else q) >= (1 - p if label else p)
                for record, p in zip(records, new[:, patient], strict=True)
                for q in record[name]
            ]
            assert found[patient, label] == pytest.approx((1 + sum(against)) / (1 + 6))
    new[1, 2] = np.nan
    assert np.isnan(conformal.p_values(records, new)).any(1).tolist() == [i == 2 for i in range(6)]


def test_few_validation_patients_decide_nothing():
    """With four of a class no p-value is below 1 / 5: at a coverage of 0.9 both statuses stay."""
    record = conformal.frozen([0, 0, 0, 0, 1, 1, 1, 1], [0.1] * 4 + [0.9] * 4)
    assert conformal.sets(conformal.p_values([record], [[0.01, 0.99]]), 0.9).all()
    assert conformal.sets(conformal.p_values([record], [[0.01, 0.99]]), 0.7).tolist() == [
        [True, False],
        [False, True],
    ]


def test_the_limit_itself_is_outside_the_set():
    record = conformal.frozen([0] * 9 + [1] * 9, [*np.linspace(0, 0.4, 9), *np.linspace(0.6, 1, 9)])
    p = conformal.p_values([record], [[0.99]])
    assert p[0, 0] == pytest.approx(0.1)
    assert not conformal.sets(p, 0.9)[0, 0] and conformal.sets(p, 0.91)[0, 0]


@pytest.mark.parametrize("by_class", [True, False])
def test_coverage_of_exchangeable_patients_is_what_is_promised(by_class):
    """The mean over many validation parts and patients; by class in either class."""
    random, hits = np.random.default_rng(1), {0: [], 1: []}
    for _ in range(1500):
        y = (random.random(30) < 0.3).astype(int)
        p = 1 / (1 + np.exp(-random.normal(1.2 * y - 0.6, 1)))
        record = conformal.frozen(y, p)
        label = int(random.random() < 0.3)
        new = 1 / (1 + np.exp(-random.normal(1.2 * label - 0.6, 1)))
        held = conformal.sets(conformal.p_values([record], [[new]], by_class), 0.8)[0]
        hits[label].append(held[label])
    everybody = np.mean(hits[0] + hits[1])
    assert everybody > 0.8 - 0.025
    if by_class:
        assert min(np.mean(hits[0]), np.mean(hits[1])) > 0.8 - 0.04
    else:  # the common class is covered at the cost of the rare one
        assert np.mean(hits[1]) < np.mean(hits[0])


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_folds_together_cover_more_than_declared_until_scores_shift(shift):
    """Five folds of one signal, as in benchmarks/conformal.py; scores that lie higher break the promise."""
    random, held = np.random.default_rng(2), {0: [], 1: []}

    def draw(n, higher=0.0):
        y = (random.random(n) < 0.45).astype(int)
        signal = random.normal(0.95 * (y - 0.5), 0.8) + higher
        return y, 1 / (1 + np.exp(-signal - random.normal(0, 0.6, (5, n))))

    for _ in range(150):
        parts = [draw(12) for _ in range(5)]
        records = [conformal.frozen(y, p[fold]) for fold, (y, p) in enumerate(parts)]
        y, p = draw(40, shift)
        inside = conformal.sets(conformal.p_values(records, list(p)), 0.8)[np.arange(40), y]
        for label in (0, 1):
            held[label] += inside[y == label].tolist()
    covered = {label: np.mean(values) for label, values in held.items()}
    if shift:
        assert covered[0] < 0.8 < covered[1]
    else:
        assert min(covered.values()) > 0.8


def test_v_alone_is_kept_and_only_where_it_is_declared():
    labels = {f"P{i}": i % 2 for i in range(20)}
    random = np.random.default_rng(0)
    scores = {"combined": {p: float(random.normal(y)) for p, y in labels.items()}}
    validation = {p: y for p, y in labels.items() if int(p[1:]) < 12}
    plain = predictions.freeze(scores, validation)
    kept = predictions.freeze(scores, validation, keep=True)
    record = kept["combined"].pop("conformal")
    assert kept == plain and len(record["positive"]) == len(record["negative"]) == 6
    for patient in set(labels) - set(validation):
        scores["combined"][patient] = 99.0
    assert predictions.freeze(scores, validation, keep=True)["combined"]["conformal"] == record
    p = predictions.calibrated(scores["combined"]["P1"], plain["combined"]["calibration"])
    assert p in record["positive"]


def test_the_spread_is_students_interval_for_one_more_model():
    given = [0.4, 0.5, 0.6, 0.55, 0.45]
    found = uncertainty.spread(given)
    logit = np.log(np.array(given) / (1 - np.array(given)))
    half = 2.7764451 * logit.std(ddof=1) * np.sqrt(1.2)
    assert found.low == pytest.approx(1 / (1 + np.exp(-(logit.mean() - half))), abs=1e-6)
    assert found.high == pytest.approx(1 - found.low, abs=1e-3)
    assert (found.lowest, found.highest) == (0.4, 0.6)
    assert found.sd == pytest.approx(np.std(given, ddof=1))
    same = uncertainty.spread([0.3] * 5)
    assert same.sd == 0 and same.low == pytest.approx(0.3) == pytest.approx(same.high)
    assert np.isfinite(uncertainty.spread([0.0, 1.0])).all()


def a_study(n=40, folds=5, seed=0):
    """(sheet, {method: parts} of an external center, frozen records)."""
    random = np.random.default_rng(seed)
    rows = sheet([None, *([0, 1] * (n // 2))])
    parts, frozen = {}, {}
    for k in range(folds):
        fold = []
        for row in rows:
            logit = random.normal(1.5 * int(row["metastasis"] or 0) - 0.7)
            fold.append(prediction(row["patient"], logit))
        parts[f"fold{k}"] = fold
        y = np.repeat([0, 1], 10)
        p = 1 / (1 + np.exp(-random.normal(1.5 * y - 0.7)))
        frozen[f"fold{k}"] = {"combined": {"conformal": conformal.frozen(y, p), "reason": ""}}
    parts["ensemble"] = [
        prediction(row["patient"], np.mean([np.log(q / (1 - q)) for q in qs]))
        for row, *qs in zip(
            rows, *([float(r["probability"]) for r in parts[f"fold{k}"]] for k in range(folds)),
            strict=True,
        )
    ]  # fmt: skip
    return rows, {"combined": parts}, frozen


def prediction(patient, logit):
    p = 1 / (1 + np.exp(-logit))
    return {
        "patient": patient,
        "subset": "external",
        "score": repr(float(p)),
        "probability": repr(float(p)),
        "call": str(int(p > 0.5)),
        "reason": "",
    }


def center(option=OPTION, rows_only=False):
    rows, given, frozen = a_study()
    if rows_only:
        given = {"combined": {"ensemble": given["combined"]["ensemble"]}}
    about = tables.CenterRows("here", "external", rows, rows)
    settings = SETTINGS | {"conformal": option, "primary": {"reference": "combined"}}
    return given, frozen, tables.center_tables(about, given, settings, 0, frozen)


def test_an_external_center_has_coverage_and_accuracy_at_every_level():
    given, frozen, found = center()
    rows = found["coverage.tsv"]
    assert [row["wanted"] for row in rows] == sorted({*abstention.LEVELS, 0.8})
    assert [row["wanted"] for row in rows if row["declared"]] == [0.8]
    row = one(rows, wanted=0.8)
    labels = [i % 2 for i in range(40)]
    folds = list(frozen)
    p = conformal.p_values(
        [frozen[k]["combined"]["conformal"] for k in folds],
        [[float(r["probability"]) for r in given["combined"][k]][1:] for k in folds],
    )
    held = p > 0.2
    assert row["covered"] == pytest.approx(np.mean(held[np.arange(40), labels]))
    decided = held.sum(1) == 1
    assert row["decided"] == pytest.approx(decided.mean())
    right = held[np.arange(40), labels][decided]
    assert row["accuracy"] == pytest.approx(right.mean()) and row["n"] == 40
    assert row["both"] + row["neither"] + row["decided"] == pytest.approx(1)
    coverages = [row["covered"] for row in rows]
    assert coverages == sorted(coverages)


def test_every_patient_has_a_spread_and_a_set_whatever_is_known_of_the_status():
    _, _, found = center()
    rows = found["uncertainty.tsv"]
    assert len(rows) == 41 and {row["status_set"] for row in rows} <= set(uncertainty.SETS.values())
    assert all(row["low"] <= row["probability"] <= row["high"] for row in rows)
    _, _, plain = center(option=None)
    assert plain["coverage.tsv"] == [] and {r["status_set"] for r in plain["uncertainty.tsv"]} == {
        ""
    }
    for name in set(found) - {"coverage.tsv", "uncertainty.tsv"}:
        assert plain[name] == found[name]


def test_a_returned_center_has_neither():
    _, _, found = center(rows_only=True)
    assert found["coverage.tsv"] == found["uncertainty.tsv"] == []


def test_a_test_patient_is_compared_with_the_validation_patients_of_its_fold():
    records = {
        "fold0": conformal.frozen([0, 1], [0.1, 0.9]),
        "fold1": conformal.frozen([0] * 9 + [1] * 9, [0.1] * 9 + [0.9] * 9),
    }
    probabilities = {"fold0": {"a": 0.95}, "fold1": {"b": 0.95}}
    p = abstention.p_values(records, probabilities, ["a", "b"], ["fold0", "fold1"])
    # No positive validation patient speaks more for it; every negative one speaks less against.
    np.testing.assert_allclose(p, [[0.5, 1], [0.1, 1]])


def test_the_page_shows_accuracy_against_coverage_and_the_widest_spread(tmp_path):
    _, _, found = center()
    tables.write(tmp_path, {n: found[n] for n in ("coverage.tsv", "uncertainty.tsv")})
    shown = trust.coverage(sources.load(tmp_path, "coverage.tsv"), "combined")
    assert len(shown["levels"]["lines"]) == len(found["coverage.tsv"]) and shown["others"] is None
    assert "0.8" in shown["wanted"] and "Accuracy of those decided" in shown["levels"]["columns"]
    spread = trust.uncertainty(sources.load(tmp_path, "uncertainty.tsv"), "combined")
    widest = max(found["uncertainty.tsv"], key=lambda row: row["high"] - row["low"])
    assert str(spread["table"]["lines"][0][0]) == widest["patient"]
    assert trust.coverage(sources.Rows(), "combined") is None
    assert trust.uncertainty(sources.Rows(), "combined") is None
