"""What node masks must show before networks learn from them."""

import numpy as np
import pytest
import workflow_study as workflow

from nodestage.cohort import drawn_nodes
from nodestage.core import configs, files, tables, volumes
from nodestage.core.errors import InputError

SIMULATED = configs.read(workflow.REPOSITORY / "config/simulator.yaml")["simulator"]["centers"]
DISCOVERY = [f"CH{k:03d}" for k in range(1, SIMULATED["changhai"]["patients"] + 1)]


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


@pytest.mark.slow
def test_the_job_says_so_from_the_records_of_the_masks(tmp_path):
    target = "results/registration/drawn_nodes.json"
    (tmp_path / "config.yaml").write_text("{}\n", encoding="utf-8")
    for patient in DISCOVERY:
        files.write_json(
            tmp_path / f"results/registration/{patient}/lymph_nodes.json",
            {"volume_mm3_as_drawn": {"1": 3.0}},
        )
    printed = workflow.snakemake(
        tmp_path, target, "--allowed-rules", "drawn_nodes", "--nolock", check=False
    )
    assert f"none of {len(DISCOVERY)} node masks holds a positive node" in printed


def test_each_drawn_node_has_its_volume_and_touching_classes_stay_apart():
    mask = np.zeros((4, 6, 8), np.uint8)
    mask[0, 0, :3] = 1
    mask[0, 0, 3:5] = 2  # touches the negative one
    mask[3, 5, 7] = 1
    mask[2, 4, 6] = 1  # by a corner: one node
    assert drawn_nodes.volumes_of_nodes("P", mask, (2.0, 0.5, 0.5)) == [
        {"patient": "P", "class": "negative", "volume_mm3": 1.5},
        {"patient": "P", "class": "negative", "volume_mm3": 1.0},
        {"patient": "P", "class": "positive", "volume_mm3": 1.0},
    ]
    assert drawn_nodes.volumes_of_nodes("P", 0 * mask, (2.0, 0.5, 0.5)) == []


@pytest.mark.slow
def test_the_job_of_table_1_reads_the_masks_on_the_study_grid(tmp_path):
    target = "results/statistics/evaluation/drawn_nodes/changhai.tsv"
    (tmp_path / "config.yaml").write_text("{}\n", encoding="utf-8")
    mask = np.zeros((4, 4, 4), np.uint8)
    mask[1, 1, 1:3] = 2
    for patient in DISCOVERY:
        drawn = volumes.Volume(mask, (2.5, 2.0, 2.0), (0.0, 0.0, 0.0))
        volumes.write_volume(tmp_path / f"results/registration/{patient}/lymph_nodes.nii.gz", drawn)
    workflow.snakemake(tmp_path, target, "--allowed-rules", "drawn_node_volumes", "--nolock")
    rows = tables.read(tmp_path / target)
    assert [row["patient"] for row in rows[:2]] == ["CH001", "CH002"]
    assert {(row["class"], row["volume_mm3"]) for row in rows} == {("positive", "20.0")}
