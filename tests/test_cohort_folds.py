"""Fold tables, inner folds and chunks, few patients."""

import random

import pytest

from nodestage import cohort
from nodestage.core import tables
from nodestage.core.errors import InputError


def patients(positive, negative):
    labels = ["1"] * positive + ["0"] * negative
    return [{"patient": f"P{k:03d}", "metastasis": label} for k, label in enumerate(labels)]


@pytest.mark.parametrize("positive, negative", [(351, 398), (11, 13), (5, 5), (5, 40)])
def test_every_patient_is_tested_once_and_subsets_are_stratified(positive, negative):
    rows = patients(positive, negative)
    folds = cohort.make_folds(rows, 5, seed=1)
    assert len(folds) == 5
    tested = [p for fold in folds for p, subset in fold.items() if subset == "test"]
    assert sorted(tested) == sorted(row["patient"] for row in rows)
    labels = {row["patient"]: row["metastasis"] for row in rows}
    for fold in folds:
        assert set(fold) == set(labels)
        for subset, share in [("train", 0.64), ("validation", 0.16), ("test", 0.20)]:
            mine = [labels[p] for p, s in fold.items() if s == subset]
            assert {"0", "1"} == set(mine)
            assert len(mine) == pytest.approx(share * len(rows), abs=2)
            assert mine.count("1") == pytest.approx(share * positive, abs=1.5)


def test_folds_depend_on_content_and_seed_alone():
    rows = patients(20, 25)
    mixed = random.Random(0).sample(rows, len(rows))
    assert cohort.make_folds(rows, 5, 3) == cohort.make_folds(mixed, 5, 3)
    assert cohort.make_folds(rows, 5, 3) != cohort.make_folds(rows, 5, 4)


def test_folds_are_these_on_every_machine():
    """Written down once: a library's or Python's next version must not move a patient."""
    first = cohort.make_folds(patients(5, 5), 5, 0)[0]
    assert [p for p, s in first.items() if s == "test"] == ["P003", "P008"]
    assert [p for p, s in first.items() if s == "validation"] == ["P001", "P009"]


@pytest.mark.parametrize(
    "positive, negative, n_folds", [(4, 30, 5), (30, 4, 5), (0, 10, 5), (9, 30, 10)]
)
def test_too_few_for_the_folds(positive, negative, n_folds):
    with pytest.raises(InputError, match=f"{n_folds} folds need at least {n_folds} of each"):
        cohort.make_folds(patients(positive, negative), n_folds, 0)


@pytest.mark.parametrize("n_folds", [2, 3, 4, 5, 7, 10])
def test_the_least_number_is_enough(n_folds):
    from nodestage.cohort.folds import _min_patients

    least = _min_patients(n_folds)
    for fold in cohort.make_folds(patients(least, least), n_folds, 0):
        assert list(fold.values()).count("train") >= 4
        cohort.inner_folds([p for p, s in fold.items() if s == "train"], LABELS(least), 2, 0)
    with pytest.raises(InputError):
        cohort.make_folds(patients(least - 1, least), n_folds, 0)


def LABELS(n):
    return {row["patient"]: row["metastasis"] for row in patients(n, n)}


def test_a_patient_without_a_label_can_not_be_stratified():
    rows = patients(10, 10)
    rows[3]["metastasis"] = ""
    with pytest.raises(InputError, match="P003"):
        cohort.make_folds(rows, 5, 0)


def test_inner_folds_part_the_training_patients():
    labels = LABELS(20)
    train = sorted(labels)[5:35]
    parts = cohort.inner_folds(train, labels, 2, seed=0)
    assert sorted(parts[0] + parts[1]) == train
    for part in parts:
        assert [labels[p] for p in part].count("1") in (7, 8)
    assert parts == cohort.inner_folds(
        train[::-1], {p: int(v) for p, v in labels.items()}, 2, seed=0
    )


def test_too_few_for_inner_folds():
    with pytest.raises(InputError, match=r"folds\.inner: 2"):
        cohort.inner_folds(["P000", "P002", "P003"], {"P000": 1, "P002": 0, "P003": 0}, 2, 0)


def write(folder, folds):
    for k, fold in enumerate(folds):
        tables.write(
            folder / f"fold{k}.tsv", [{"patient": p, "subset": s} for p, s in fold.items()]
        )


def test_users_own_tables_are_read(tmp_path):
    rows = patients(10, 10)
    folds = cohort.make_folds(rows, 5, 7)
    write(tmp_path, [dict(reversed(fold.items())) for fold in folds])
    assert cohort.read_folds(tmp_path, rows) == folds


def test_all_faults_of_users_tables_in_one_error(tmp_path):
    rows = patients(10, 10)
    folds = cohort.make_folds(rows, 5, 7)
    labels = {row["patient"]: row["metastasis"] for row in rows}
    for patient in [p for p, s in folds[2].items() if s == "validation" and labels[p] == "1"]:
        folds[2][patient] = "train"
    gone = next(p for p, s in folds[1].items() if s == "train")
    del folds[1][gone]
    folds[0]["stranger"] = "train"
    twice = next(p for p, s in folds[3].items() if s == "train")
    folds[3][twice] = "test"
    folds[4][twice] = "tset" if folds[4][twice] == "train" else folds[4][twice]
    write(tmp_path, folds)
    with pytest.raises(InputError) as error:
        cohort.read_folds(tmp_path, rows)
    text = str(error.value)
    for words in (
        "fold2, validation: 0 patients with metastasis",
        f"fold1: {gone} missing",
        "'stranger' is not a patient",
        f"patient {twice} is tested in folds",
    ):
        assert words in text, text


@pytest.mark.parametrize("names", [[], ["fold1.tsv", "fold2.tsv"], ["fold0.tsv", "fold2.tsv"]])
def test_tables_are_numbered_from_zero(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("patient\tsubset\n")
    with pytest.raises(InputError, match="Number them from 0"):
        cohort.read_folds(tmp_path, patients(10, 10))


def test_chunks_are_fixed_and_even():
    chunks = [cohort.chunk_of(f"P{k}", 4) for k in range(400)]
    assert chunks == [cohort.chunk_of(f"P{k}", 4) for k in range(400)]
    assert min(chunks.count(c) for c in range(4)) > 70
    assert cohort.chunk_of("anyone", 1) == 0
    assert [cohort.chunk_of(p, 8) for p in ("P1", "P11", "001-K")] == [0, 4, 2]


def test_fewer_folds_are_advised_only_where_they_would_do():
    def told(each):
        rows = [{"patient": f"P{k}", "metastasis": str(k % 2)} for k in range(2 * each)]
        with pytest.raises(InputError) as error:
            cohort.make_folds(rows, 5, 3)
        return str(error.value)

    assert told(4).endswith("Add patients, or set `folds.n: 4`.")
    assert told(3).endswith("Add patients.")
