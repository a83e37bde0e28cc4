"""Readers beside the model: the published example, type I error, the tables, and what the sheet may hold."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from sheet_rows import CENTERS, row
from statistics_cohort import one, predictions, sheet
from study_config import study as built_study

from nodestage import cohort
from nodestage.cohort import readers as sheet_readers
from nodestage.cohort.clinical import CLINICAL
from nodestage.core import tables
from nodestage.core.errors import InputError
from nodestage.statistics import cohort as scored_cohort
from nodestage.statistics import mrmc, readers, roc
from nodestage.statistics.tables import CenterRows, center_tables, write
from nodestage.statistics.undefined import UndefinedError

# Printed by OR-DBM MRMC of the University of Iowa for Van Dyke's data (trapezoidal areas, jackknife), as given
# with RJafroc: (mean, standard error, degrees of freedom, low, high).
PUBLISHED = {
    "random difference": (-0.04380032, 0.02075, 15.26, -0.08796, 0.00036),
    "fixed difference": (-0.04380032, 0.01872, np.inf, -0.08049, -0.00711),
    "random first": (0.89703704, 0.03317360, 12.74, 0.82522360, 0.96885048),
    "random second": (0.94083736, 0.02156637, 12.71, 0.89413783, 0.98753689),
    "fixed first": (0.89703704, 0.02428971, np.inf, 0.84943008, 0.94464399),
    "fixed second": (0.94083736, 0.01677632, np.inf, 0.90795637, 0.97371835),
}


@pytest.fixture(scope="module")
def van_dyke():
    data = yaml.safe_load(Path(__file__).with_name("van_dyke.yaml").read_text(encoding="utf-8"))
    y = np.repeat([0, 1], [data["without"], data["with"]])
    ratings = [list(map(int, line)) for k in (1, 2) for line in data[f"condition_{k}"]]
    return y, np.array(ratings)


def test_the_published_example_is_reproduced(van_dyke):
    values, covariances = mrmc.jackknife(*van_dyke)
    np.testing.assert_allclose(
        values[:5], [0.91964573, 0.85877617, 0.90386473, 0.97310789, 0.82979066], atol=5e-9
    )
    gaps = mrmc.differences(values, covariances, range(5), range(5, 10))
    parts = {
        "difference": gaps,
        "first": (values[:5], covariances[:5, :5]),
        "second": (values[5:], covariances[5:, 5:]),
    }
    for name, expected in PUBLISHED.items():
        kind, part = name.split()
        function = {"random": mrmc.random_readers, "fixed": mrmc.fixed_readers}[kind]
        found = function(*parts[part])
        np.testing.assert_allclose(found[:2], expected[:2], atol=5e-6, err_msg=name)
        np.testing.assert_allclose(found.df, expected[2], atol=5e-3, err_msg=name)
        np.testing.assert_allclose(found[3:5], expected[3:], atol=5.1e-6, err_msg=name)
    assert mrmc.random_readers(*gaps).p_value == pytest.approx(0.0517, abs=5e-5)
    assert mrmc.fixed_readers(*gaps).p_value == pytest.approx(0.0193, abs=5e-5)
    # F of the analysis of variance of both conditions is the square of t of the differences.
    found = mrmc.random_readers(*gaps)
    assert (found.mean / found.se) ** 2 == pytest.approx(4.456, abs=5e-4)


def test_the_analysis_of_differences_is_that_of_both_conditions(van_dyke):
    """The formula of Obuchowski, Rockette and Hillis for two conditions, written out."""
    values, cov = mrmc.estimates(*van_dyke, "auc")
    theta = values.reshape(2, 5)
    ms_t = 5 * theta.mean(1).var(ddof=1)
    rest = theta - theta.mean(1, keepdims=True) - theta.mean(0) + theta.mean()
    ms_tr = (rest**2).sum() / 4
    blocks = [[cov[5 * i : 5 * i + 5, 5 * k : 5 * k + 5] for k in range(2)] for i in range(2)]
    off = ~np.eye(5, dtype=bool)
    cov_2 = np.mean([blocks[i][i][off].mean() for i in range(2)])
    cov_3 = np.mean([blocks[0][1][off].mean(), blocks[1][0][off].mean()])
    error = ms_tr + 5 * max(cov_2 - cov_3, 0)
    found = mrmc.random_readers(*mrmc.differences(values, cov, range(5), range(5, 10)))
    assert (found.mean / found.se) ** 2 == pytest.approx(ms_t / error)
    assert found.df == pytest.approx(4 * (error / ms_tr) ** 2)


def test_an_algorithm_beside_radiologists_is_compared_as_published():
    """RJafroc's book, stand-alone CAD, 1T-RRRC: nine radiologists, and the covariances of their differences."""
    radiologists = [0.69453125, 0.65, 0.80625, 0.725, 0.65982143, 0.76845238, 0.7375, 0.675, 0.675]
    covariances = np.full((9, 9), 0.0030657054)
    np.fill_diagonal(covariances, 0.0053445377)
    found = mrmc.random_readers(np.array(radiologists) - 0.59166667, covariances)
    assert found.mean == pytest.approx(0.11850612, abs=2e-8)
    assert found.mean / found.se == pytest.approx(2.0390389, abs=5e-7)
    assert found.df == pytest.approx(937.24371, abs=1e-4)
    assert found.p_value == pytest.approx(0.041726262, abs=1e-8)
    assert (found.low, found.high) == pytest.approx((0.004448434, 0.232563801), abs=2e-8)


def test_one_pair_of_methods_has_delongs_test(van_dyke):
    y, ratings = van_dyke
    pair = mrmc.estimates(y, ratings[[0, 5]], "auc")
    found = mrmc.fixed_readers(*mrmc.differences(*pair, [0], [1]))
    expected = roc.delong_test(y, ratings[0], ratings[5])
    assert found.p_value == pytest.approx(expected.p_value)
    assert (found.low, found.high) == pytest.approx(roc.difference_ci(y, ratings[0], ratings[5]))


@pytest.mark.parametrize("metric", mrmc.METRICS)
def test_covariances_equal_the_jackknife_but_for_the_divisor(metric):
    random = np.random.default_rng(0)
    y = np.repeat([0, 1], [60, 50])
    values = random.normal(size=(3, 110)) + random.normal(size=110) + y
    values = values if metric == "auc" else (values > 0.5).astype(float)
    means, covariances = mrmc.estimates(y, values, metric)
    again, jackknifed = mrmc.jackknife(y, values, metric)
    np.testing.assert_allclose(means, again)
    np.testing.assert_allclose(covariances, jackknifed, rtol=0.05, atol=1e-6)


def test_folds_have_the_mean_of_their_values_and_its_variance():
    random = np.random.default_rng(1)
    y, fold = np.tile([0, 1], 30), np.repeat([0, 1, 2], 20)
    a, b = random.normal(size=(2, 60)) + y
    pair = mrmc.estimates(y, [a, b], "auc", fold)
    found = mrmc.fixed_readers(*mrmc.differences(*pair, [0], [1]))
    assert found.p_value == pytest.approx(roc.delong_test(y, a, b, fold).p_value)


def test_what_the_data_do_not_define_is_refused():
    with pytest.raises(UndefinedError, match="one reader"):
        mrmc.random_readers([0.7], [[0.01]])
    with pytest.raises(UndefinedError, match="two patients of each class"):
        mrmc.estimates([0, 0, 1], [[1, 2, 3]], "auc")
    with pytest.raises(UndefinedError, match="no variance"):
        mrmc.random_readers([0.7, 0.7], np.zeros((2, 2)))


def ratings_of(random, y, readers_of):
    """Ratings of readers and one model, all equally good, by the linear model of Roe and Metz (1997)."""
    patient = random.normal(size=len(y)) * 0.55
    skill = random.normal(size=readers_of)[:, None] * 0.12 * y
    own = random.normal(size=(readers_of, len(y))) * 0.83
    readings = 1.2 * y + skill + patient + own
    model = 1.2 * y + patient + random.normal(size=len(y)) * 0.83
    return np.vstack([model, readings])


def test_equally_good_readers_and_models_are_seldom_found_different():
    random, y, low = np.random.default_rng(7), np.repeat([0, 1], 50), {"model": 0, "aided": 0}
    runs = 600
    for _ in range(runs):
        drawn = ratings_of(random, y, 8)
        pair = mrmc.estimates(y, drawn, "auc")
        beside = mrmc.differences(*pair, [0] * 4, [1, 2, 3, 4])
        low["model"] += mrmc.random_readers(*beside).p_value < 0.05
        aided = mrmc.differences(*pair, [1, 2, 3, 4], [5, 6, 7, 8])
        low["aided"] += mrmc.random_readers(*aided).p_value < 0.05
    for name, count in low.items():
        assert 0.02 < count / runs < 0.08, (name, count / runs)


def study(kind="ratings", aided=True, role="external"):
    labels = [i % 2 for i in range(60)]
    random = np.random.default_rng(3)
    rows = sheet(labels)
    for line, label in zip(rows, labels, strict=True):
        for name in ("reader_1", "reader_2", "reader_10"):
            for suffix, gain in (("", 0.8), ("_with_model", 1.6))[: 1 + aided]:
                value = random.normal() + gain * label
                line[name + suffix] = (
                    str(int(np.clip(round(2 + value), 1, 5)))
                    if kind == "ratings"
                    else str(int(value > 0.4))
                )
    rows[0]["reader_2"] = ""
    parts = predictions(rows, role)["combined"]
    return rows, scored_cohort.scored("combined", parts, role, rows)


@pytest.mark.parametrize("role", ["external", "discovery"])
def test_tables_of_ratings(role):
    rows, scored = study(role=role)
    made = readers.both_tables(scored, rows, {"positive_from": 3})
    listed = made["readers.tsv"]
    assert {line["reader"] for line in listed} == {1, 2, 10, "average"}
    line = one(listed, reader=2, condition="without", metric="auc")
    assert line["n"] == 59 and line["low"] < line["estimate"] < line["high"]
    line = one(listed, reader=1, condition="with", metric="sensitivity")
    values = np.array([float(r["reader_1_with_model"]) for r in rows])
    y = np.array([int(r["metastasis"]) for r in rows])
    assert line["estimate"] == pytest.approx((values[y == 1] >= 3).mean())
    gain = one(
        made["reader_comparisons.tsv"],
        comparison="with_minus_without",
        reader="average",
        metric="auc",
    )
    assert gain["difference"] == pytest.approx(gain["first"] - gain["second"])
    assert gain["n"] == 59 and gain["low"] < gain["difference"] < gain["high"]
    assert gain["p_random"] < 0.06 and gain["p_fixed"] < gain["p_random"]
    # Other readers are less certain than these.
    assert gain["low"] < gain["fixed_low"] and gain["high"] > gain["fixed_high"]
    beside = one(
        made["reader_comparisons.tsv"],
        comparison="model_minus_without",
        reader="average",
        metric="auc",
    )
    assert beside["readers"] == 3 and beside["df"] >= 2


def test_ratings_without_a_cut_have_an_auc_alone():
    rows, scored = study()
    made = readers.both_tables(scored, rows)
    for line in made["readers.tsv"]:
        assert (line["estimate"] is not None) == (line["metric"] == "auc")
        assert (line["note"] == readers.NO_CUT) == (line["metric"] != "auc")


def test_calls_have_no_auc_and_one_reader_no_other_readers():
    rows, scored = study("calls", aided=False)
    rows = [{k: v for k, v in line.items() if k not in ("reader_2", "reader_10")} for line in rows]
    made = readers.both_tables(scored, rows)
    assert {line["metric"] for line in made["readers.tsv"]} == set(mrmc.METRICS) - {"auc"}
    (line,) = [r for r in made["reader_comparisons.tsv"] if r["metric"] == "sensitivity"]
    assert line["reader"] == 1 and line["low"] is None and line["fixed_low"] is not None
    assert line["note"] == readers.ONE
    y, call = scored.y, scored.call
    reader = np.array([float(r["reader_1"]) for r in sorted(rows, key=lambda r: r["patient"])])
    assert line["difference"] == pytest.approx(call[y == 1].mean() - reader[y == 1].mean())


def test_a_center_without_readers_has_no_rows_and_the_files_have_columns(tmp_path):
    rows = sheet([i % 2 for i in range(20)])
    made = center_tables(
        CenterRows("east", "external", rows, rows), predictions(rows), {"bootstraps": 20}, 0
    )
    assert made["readers.tsv"] == [] and made["reader_comparisons.tsv"] == []
    write(tmp_path, {"readers.tsv": []})
    assert tuple(tables.header(tmp_path / "readers.tsv")) == readers.COLUMNS


# The sample sheet


def faults(rows):
    with pytest.raises(InputError) as error:
        cohort.check_sheet(rows, CENTERS, files=False)
    return str(error.value)


def sheet_of(path, header, *lines):
    path.write_text("\n".join("\t".join(cells) for cells in (header, *lines)) + "\n")
    return cohort.read_sheet(path)


def test_columns_of_readers_are_kept_where_the_sheet_has_them(tmp_path):
    header = ["patient", "center", "venous", "Reader_1", "reader_1_with_model"]
    rows = sheet_of(tmp_path / "s.tsv", header, ["a", "beta", "a.nii", "3", ""])
    assert rows[0]["reader_1"] == "3" and rows[0]["reader_1_with_model"] == ""
    assert rows.ignored == []


@pytest.mark.parametrize(
    "cells, words",
    [
        ([{"reader_1": "yes"}], "reader_1: 'yes' is not allowed. Give 0 or 1"),
        ([{"reader_1": "1001"}], "'1001' is not allowed"),
        ([{"reader_1": "-1"}], "'-1' is not allowed"),
        ([{"reader_2_with_model": "1"}], "there is no column reader_2 to compare it with"),
        ([{"reader_1": "1", "reader_2": ""}], "reader_2: empty for all patients"),
        (
            [{"reader_1": "1", "reader_2": "4"}, {"reader_1": "0", "reader_2": "1"}],
            "reader_1: 0 and 1 alone, but ratings in reader_2",
        ),
    ],
)
def test_faults_of_readers(cells, words):
    assert words in faults([row(f"p{i}", **more) for i, more in enumerate(cells)])


@pytest.mark.parametrize("name", ["reader_smith", "reader 1", "reader_01", "reader_100", "reader1"])
def test_a_reader_has_a_number_and_no_name(tmp_path, name):
    header = ["patient", "center", "venous", "metastasis", name]
    rows = sheet_of(tmp_path / "s.tsv", header, ["a", "beta", "a.nii", "1", "1"])
    assert "no column of a reader. Number the readers" in faults(rows)


def test_readers_are_shown_to_no_method():
    assert not sheet_readers.columns(CLINICAL)


def test_make_check_counts_unread_patients():
    rows = [{"reader_1": "1", "reader_2": ""}, {"reader_1": "0", "reader_2": "1"}]
    (sentence,) = sheet_readers.counts(rows)
    assert sentence.startswith("reader_2: 1 of 2 patients were read")


def test_readers_reach_the_tables_alone(config):
    made = built_study(config)
    (patient, *_) = made.patients.of(made.centers.discovery)
    made.patients.rows[patient]["reader_1"] = "4"
    rows = {row["patient"]: row for row in made.facts.table_rows(made.centers.discovery)}
    assert rows[patient]["reader_1"] == "4"
    assert "reader_1" not in made.patients.clinical([patient])[patient]
