"""benchmarks/pooled_studies.py: scores of finished studies, and methods compared over several."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from nodestage import statistics
from nodestage.core import tables

FILE = Path(__file__).parents[1] / "benchmarks/pooled_studies.py"
COLUMNS = ("patient", "subset", "score", "probability", "call", "reason")


@pytest.fixture(scope="module")
def pooled():
    spec = importlib.util.spec_from_file_location("pooled_studies", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def study(tmp_path):
    """Results of two folds with ten patients each and of one external center, and {patient: (status, score)}."""
    rng = np.random.default_rng(0)
    results, known = tmp_path / "study/results", {}
    for part, center, code in (
        ("fold0", "home", "A"),
        ("fold1", "home", "B"),
        ("ensemble", "away", "C"),
    ):
        rows = []
        for i in range(10):
            patient, score = f"{code}{i}", float(rng.normal(i % 2))
            known[patient] = (i % 2, score)
            rows.append(
                {"patient": patient, "subset": "test" if part != "ensemble" else "", "score": score}
            )
            truth = {"positive": bool(i % 2), "oracle": {"tumor": i, "nodes": -i, "both": 0.5 * i}}
            path = results / "simulator/truth" / patient / "truth.json"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(truth))
        learned = [
            {"patient": "T1", "subset": "validation", "score": 9.0},
            {"patient": "T2", "subset": "test"},
        ]
        for method, sign in (("good", 1), ("bad", -1)):
            path = results / "predictions" / method / part / f"{center}.tsv"
            path.parent.mkdir(parents=True)
            scored = [row | {"score": sign * row["score"]} for row in rows]
            tables.write(path, scored + (learned if center == "home" else []), COLUMNS)
    return tmp_path / "study", known


def test_each_tested_patient_has_one_row_without_a_code(pooled, study, tmp_path):
    folder, known = study
    pooled.main(["scores", str(folder), str(tmp_path / "scores.tsv")])
    rows = pooled.read(tmp_path / "scores.tsv")
    assert [row["fold"] for row in rows] == [""] * 10 + ["fold0"] * 10 + ["fold1"] * 10
    assert not any(patient in (tmp_path / "scores.tsv").read_text() for patient in known)
    found = sorted((int(r["metastasis"]), round(float(r["good"]), 4)) for r in rows)
    assert found == sorted((y, round(score, 4)) for y, score in known.values())
    assert all(float(r["bad"]) == -float(r["good"]) for r in rows)


def test_patients_are_compared_within_their_fold_or_center_alone(pooled, study, tmp_path, capsys):
    folder, known = study
    paths = [str(tmp_path / name) for name in ("one.tsv", "two.tsv")]
    for path in paths:
        pooled.main(["scores", str(folder), path])
    pooled.main(["auc", *paths])
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("| good"))
    by_part = [
        statistics.auc(
            [y for p, (y, _) in known.items() if p[0] == c],
            [s for p, (_, s) in known.items() if p[0] == c],
        )
        for c in "ABC"
    ]
    means = [cell.split()[0] for cell in line.strip("| ").split(" | ")[1:]]
    assert means == [f"{v:.2f}" for v in (np.mean(by_part[:2]), by_part[2], np.mean(by_part))]
    pooled.main(["differences", *paths, "--method", "good", "--against", "bad"])
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("| bad"))
    assert line.split(" | ")[3].startswith(f"{2 * np.mean(by_part) - 1:+.3f} [")


def test_a_mean_is_of_scores_standardized_within_a_fold_or_center(pooled):
    """Two folds whose scores differ in level and spread; a patient without one of them has no mean."""
    rows = [
        {"study": "s", "center": "home", "fold": fold, "metastasis": "0", "a": str(a), "b": str(b)}
        for fold, scores in (
            ("fold0", ((0.1, 0.5), (0.9, 0.6))),
            ("fold1", ((0.2, 0.9), (0.3, 0.8))),
        )
        for a, b in scores
    ]
    rows.append({**rows[0], "b": ""})
    pooled.add_mean(rows, ["a", "b"])
    np.testing.assert_allclose([row["mean"] for row in rows[:4]], [-1, 1, 0, 0], atol=1e-9)
    assert "mean" not in rows[4]
