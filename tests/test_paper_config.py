"""`config/paper.yaml` is the paper's method, and the default study says where it departs."""

from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

ROOT = Path(__file__).parents[1]


def config(*names):
    found = {}
    for name in names:
        update_config(found, yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8")))
    return found


PAPER, DEFAULT = config("config.yaml", "paper.yaml"), config("config.yaml")


@pytest.mark.parametrize("section", ["organs", "tumor", "lymph_nodes"])
def test_full_size_predicts_as_nnunet_does_and_the_default_study_without_mirroring(section):
    assert (PAPER[section]["mirror"], DEFAULT[section]["mirror"]) == (True, False)


def test_the_plain_baseline_of_full_size_is_nnunets_own_training():
    nodes = PAPER["lymph_nodes"]
    assert (nodes["choose"], nodes["threshold"], nodes["step_size"]) == ("last", 0.5, 0.5)
    assert nodes["windows"] == "scan" and nodes["min_attention_share"] == 0
    network = nodes["network"]
    own = ("features", "convolutions", "norm", "batch_dice", "mirror_axes", "oversample_foreground")
    assert [network[key] for key in own] == [None] * len(own)
    assert (network["optimizer"], network["initial_lr"]) == ("sgd", 0.01)
    assert (network["epochs"], network["iterations_per_epoch"]) == (1000, 250)


def test_full_size_has_the_papers_tumor_chain():
    tumor = PAPER["tumor"]
    assert (tumor["start"], tumor["phases"], tumor["finetune"]) == ("scratch", "venous", True)
    assert not DEFAULT["tumor"]["finetune"]
