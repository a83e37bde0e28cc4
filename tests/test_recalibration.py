"""Recalibration at a new center: on its own patients, by cross-validation, beside the frozen model."""

import re

import numpy as np
import pytest
from statistics_cohort import SETTINGS, one, sheet
from statistics_cohort import predictions as made_up

from nodestage.report import sources, trust
from nodestage.statistics import calibration, cohort, recalibration, tables


def patients(n, line=(0.0, 1.0), seed=0):
    """(y, logit) of a center where the true logit is line[0] + line[1] * logit."""
    random = np.random.default_rng(seed)
    logit = random.normal(0, 1.2, n)
    return (random.random(n) < 1 / (1 + np.exp(-(line[0] + line[1] * logit)))).astype(int), logit


def scored(y, logit):
    p = 1 / (1 + np.exp(-logit))
    names = [f"P{i}" for i in range(len(y))]
    return cohort.Scored("combined", True, names, y, p, p, (p > 0.5) * 1.0, None, [])


def test_intercept_and_slope_of_many_patients_are_the_true_ones():
    y, logit = patients(20_000, (0.5, 0.7))
    assert recalibration.fit(y, logit, "intercept_slope") == pytest.approx((0.5, 0.7), abs=0.05)
    shift, slope = recalibration.fit(y, logit + 0.4, "intercept")
    assert slope == 1 and shift < recalibration.fit(y, logit, "intercept")[0]


def test_the_intercept_is_that_of_the_calibration_line():
    y, logit = patients(80, (0.6, 1.0))
    line = calibration.calibration_line(y, 1 / (1 + np.exp(-logit)))
    assert recalibration.fit(y, logit, "intercept")[0] == pytest.approx(
        line["intercept"][0], abs=1e-6
    )
    far = recalibration.fit([0, 0, 0, 1], np.full(4, 30.0), "intercept")[0]
    assert far == pytest.approx(-30 + np.log(1 / 3), abs=1e-6)


def test_a_patients_own_label_has_no_part_in_its_probability():
    """Where the labels are turned, every other patient's fit moves, but never through the patient itself."""
    y, logit = patients(40)
    first = recalibration.cross_validated(y, logit, "intercept_slope", seed=1)
    assert first.shape == (recalibration.REPEATS, 40)
    leaking = np.array([recalibration.fit(y, logit, "intercept_slope")])
    own = 1 / (1 + np.exp(-(leaking[0, 0] + leaking[0, 1] * logit)))
    assert not np.allclose(first, own)
    random = np.random.default_rng(2)
    y = random.permutation(np.repeat([0, 1], 20))  # nothing to be learned
    p = recalibration.cross_validated(y, random.normal(size=40), "intercept", seed=1)
    # A fit without the patient errs away from its label: a leak would show the opposite.
    assert (p[:, y == 1].mean() - p[:, y == 0].mean()) < 0.05


def test_each_patient_is_left_out_once_per_repeat_within_each_class():
    y = np.repeat([0, 1], [7, 6])
    seen = []

    def spy(labels, logit, kind):
        seen.append((int(labels.sum()), len(labels)))
        return 0.0, 1.0

    original, recalibration.fit = recalibration.fit, spy
    try:
        recalibration.cross_validated(y, np.zeros(13), "intercept")
    finally:
        recalibration.fit = original
    per_repeat = seen[: recalibration.FOLDS]
    assert sum(13 - n for _, n in per_repeat) == 13
    assert {6 - positive for positive, _ in per_repeat} <= {1, 2}


def test_a_shifted_center_gains_and_a_calibrated_one_does_not():
    y, logit = patients(400, (1.0, 1.0))
    rows = recalibration.rows(scored(y, logit), n=200)
    gain = one(rows, recalibrated="intercept", metric="log_loss")
    assert gain["difference"] < -0.03 and gain["high"] < 0 and gain["note"] == ""
    frozen = one(rows, recalibrated="frozen", metric="log_loss")
    assert gain["difference"] == pytest.approx(gain["estimate"] - frozen["estimate"])
    observed = one(rows, recalibrated="intercept", metric="observed_expected")["estimate"]
    assert observed == pytest.approx(1, abs=0.02)
    assert one(rows, recalibrated="frozen", metric="observed_expected")["estimate"] > 1.2
    y, logit = patients(400)
    rows = recalibration.rows(scored(y, logit), n=200)
    assert one(rows, recalibrated="intercept", metric="log_loss")["difference"] > -0.005


@pytest.mark.parametrize("kind, line", [("intercept", (0.3, 1.0)), ("intercept_slope", (0.0, 0.7))])
def test_a_mild_miscalibration_is_worth_correcting_with_more_patients_than_the_limit(kind, line):
    """The mean loss in many further patients, of 150 centers on either side of the limit; see benchmarks/recalibration.py."""
    _, logit = patients(4000, seed=9)
    truth = 1 / (1 + np.exp(-(line[0] + line[1] * logit)))

    def loss(intercept, slope):
        moved = intercept + slope * logit
        return np.mean(np.logaddexp(0, moved) - truth * moved)

    gap = {}
    for n in (25, 2 * recalibration.FEWEST[kind]):
        centers = (patients(n, line, seed) for seed in range(150))
        fits = [recalibration.fit(*center, kind) for center in centers]
        gap[n] = np.mean([loss(*fit) for fit in fits]) - loss(0, 1)
    few, many = gap.values()
    assert few > 0 > many


def test_few_patients_are_warned_of_and_too_few_are_refused():
    y, logit = patients(60, seed=4)
    rows = recalibration.rows(scored(y, logit), n=100)
    for kind, fewest in recalibration.FEWEST.items():
        note = one(rows, recalibrated=kind, metric="brier")["note"]
        assert f"fewer than {fewest} patients: recalibration of this kind tends to harm" in note
    y = np.array([1] * 4 + [0] * 30)
    rows = recalibration.rows(scored(y, np.linspace(-1, 1, 34)), n=100)
    row = one(rows, recalibrated="intercept", metric="brier")
    assert row["estimate"] is None and "no cross-validation" in row["note"]
    assert one(rows, recalibrated="frozen", metric="brier")["estimate"] is not None


def test_separated_classes_and_equal_probabilities_stay_finite():
    y = np.repeat([0, 1], 20)
    for logit in (np.linspace(-3, 3, 40), np.zeros(40), np.repeat([-40.0, 40.0], 20)):
        for row in recalibration.rows(scored(y, logit), n=50):
            assert row["estimate"] is None or np.isfinite(row["estimate"])


@pytest.mark.parametrize("role", ["external", "discovery"])
def test_only_an_external_center_is_recalibrated_and_nothing_else_moves(role):
    rows = sheet([0, 1] * 12)
    about = tables.CenterRows("here", role, rows, rows)
    found = tables.center_tables(about, made_up(rows, role), SETTINGS, 0)
    methods = {row["method"] for row in found["recalibration.tsv"]}
    assert methods == ({"radiomics", "combined", "a_users_own"} if role == "external" else set())


def test_the_page_shows_the_frozen_model_first_and_the_declared_method_on_top(tmp_path):
    y, logit = patients(120, (0.5, 1.0))
    rows = recalibration.rows(scored(y, logit), n=100)
    other = [row | {"method": "radiomics"} for row in rows]
    tables.write(tmp_path, {"recalibration.tsv": other + rows})
    shown = trust.recalibration(sources.load(tmp_path, "recalibration.tsv"), "combined")
    assert shown["absent"] == []
    shown = shown["blocks"]
    assert [block["method"] for block in shown] == ["Combined (tumor + nodes)", "Radiomics"]
    labels = [line["label"] for line in shown[0]["lines"]]
    assert labels == ["frozen model", "intercept fitted here", "intercept and slope fitted here"]
    gap = one(rows, recalibrated="intercept", metric="log_loss")["difference"]
    text = re.sub("<[^>]+>", "", str(shown[0]["lines"][1]["cells"][-2]))
    assert f"{gap:.3f}".replace("-", "−") in text
    assert all(len(line["cells"]) == len(shown[0]["columns"]) for line in shown[0]["lines"])


def test_a_center_too_small_is_one_sentence_on_the_page(tmp_path):
    rows = recalibration.rows(scored(np.array([1] * 4 + [0] * 6), np.linspace(-1, 1, 10)), n=50)
    tables.write(tmp_path, {"recalibration.tsv": rows})
    shown = trust.recalibration(sources.load(tmp_path, "recalibration.tsv"), "combined")
    assert shown["blocks"] == [] and len(shown["absent"]) == 1
    assert "Combined (tumor + nodes) (fewer than 5 patients of a class" in shown["absent"][0]
    assert trust.recalibration(sources.Rows(), "combined") is None
