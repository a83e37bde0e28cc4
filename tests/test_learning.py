"""Whether a network has fitted its own training data, and how a reader comes to know of it."""

import numpy as np
import pytest

from nodestage.core import learning, tables


def record(network, value, measure=learning.AUC):
    return learning.fitted(network, measure, value, 0.5, "Raise `steps` (now 6)")


@pytest.mark.parametrize(
    "positive, score, expected",
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], 1.0),
        ([0, 0, 1, 1], [0.8, 0.9, 0.1, 0.2], 0.0),
        ([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5], 0.5),
        ([0, 1, 1], [0.4, 0.4, 0.9], 0.75),
        ([1, 1], [0.4, 0.9], None),
    ],
)
def test_auc_of_training_scores(positive, score, expected):
    assert learning.auc(positive, score) == expected


def test_what_has_not_learned_is_said_at_once_with_what_to_change(capsys):
    record("combined", 0.51)
    said = capsys.readouterr().out
    assert "combined: final loss 0.500, AUC on its training data 0.51" in said
    assert "Warning: combined has not fitted its own training data: AUC 0.51, below 0.75" in said
    assert "Raise `steps` (now 6)." in said


@pytest.mark.parametrize("value, measure", [(0.9, "AUC"), (None, "AUC"), (0.4, "Dice")])
def test_what_has_learned_or_cannot_be_judged_is_no_warning(value, measure, capsys):
    assert learning.warning(record("tumor, venous", value, measure)) == ""
    assert "Warning" not in capsys.readouterr().out


def test_records_are_found_wherever_a_model_holds_them():
    model = {
        "format": 1,
        "methods": {
            "tumor_net": {
                "state": {"weights": {"a": np.zeros(2)}, "learned": record("tumor_net", 0.9)}
            },
            "combined": {"state": {"learned": record("combined", 0.6)}},
            "ct_report": {"state": {}},
        },
    }
    assert [r["network"] for r in learning.records(model)] == ["tumor_net", "combined"]


def test_folds_and_networks_of_one_stage_share_a_sentence(tmp_path):
    rows = [
        learning.row(record("combined", value), "fusion", str(fold))
        for fold, value in enumerate([0.52, 0.9, 0.61])
    ]
    rows += [
        learning.row(
            record(f"lymph nodes, fold {fold}, {name}", 0.1, "Dice"), "lymph_nodes", str(fold)
        )
        for fold in range(2)
        for name in ("plain", "attention")
    ]
    rows.append(learning.row(record("tumor, venous", 0.7, "Dice"), "tumor", ""))
    tables.write(tmp_path / "learning.tsv", rows, learning.COLUMNS)
    combined, nodes = learning.sentences(tables.read(tmp_path / "learning.tsv"))
    assert combined.startswith(
        "The network combined has not fitted its own training data in 2 of 3 trainings: "
        "AUC 0.52 to 0.61, below 0.75."
    )
    assert "networks lymph nodes (plain, attention) have" in nodes
    assert "in 4 of 4 trainings" in nodes and "below 0.3" in nodes
    first = [row for row in tables.read(tmp_path / "learning.tsv") if "plain" in row["network"]]
    (plain,) = learning.sentences(first)
    assert plain.startswith("The network lymph nodes (plain) has not fitted its own")
