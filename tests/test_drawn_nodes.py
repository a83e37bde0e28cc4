"""What node masks must show before networks learn from them."""

import pytest
import workflow_study as workflow

from nodestage.cohort import drawn_nodes
from nodestage.core import files
from nodestage.core.errors import InputError


def records(**labels):
    return {p: {"volume_mm3_as_drawn": dict.fromkeys(found, 9.0)} for p, found in labels.items()}


def test_a_center_without_any_positive_node_is_refused_with_the_values_that_are_meant():
    with pytest.raises(InputError) as error:
        drawn_nodes.summary(records(a="1", b="1", c=""), {"a": 1}, "ours")
    text = str(error.value)
    assert "ours: none of 3 node masks holds a positive node: 2 hold the value 1" in text
    assert "1 are empty" in text and "positive nodes as 2" in text and "`label_system" in text


def test_patients_with_metastasis_and_negative_nodes_alone_are_named():
    found = drawn_nodes.summary(
        records(a="1", b="12", c="", d="1", e="2"), {"a": 1, "b": 1, "c": 1, "d": 0, "e": 1}
    )
    assert found == {
        "masks": 5, "empty": 1, "with_negative": 3, "with_positive": 2, "positive_patients_without": ["a"],
    }  # fmt: skip
    (sentence,) = drawn_nodes.warnings(found)
    assert "1 patients have metastasis" in sentence and ": a. " in sentence
    assert drawn_nodes.warnings(found | {"positive_patients_without": []}) == []


def test_the_job_says_so_from_the_records_of_the_masks(tmp_path):
    target = "results/registration/drawn_nodes.json"
    (tmp_path / "config.yaml").write_text("{}\n", encoding="utf-8")
    for patient in (f"CH{k:03d}" for k in range(1, 25)):
        files.write_json(
            tmp_path / f"results/registration/{patient}/lymph_nodes.json",
            {"volume_mm3_as_drawn": {"1": 3.0}},
        )
    printed = workflow.snakemake(
        tmp_path, target, "--allowed-rules", "drawn_nodes", "--nolock", check=False
    )
    assert "none of 24 node masks holds a positive node" in printed
