"""Teachers that exist elsewhere, through the small study: TotalSegmentator, and a nnU-Net model of the user."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import workflow_study as workflow
import yaml
from foreign_model import folder_of_a_model

from nodestage.core import checkpoints, volumes

KNOWN = yaml.safe_load((workflow.REPOSITORY / "config/anatomy.yaml").read_text(encoding="utf-8"))[
    "labels"
]
# Marks everything bright as aorta (52), and a corner as colon (20), which is none of ours.
TOTALSEGMENTATOR = """#!{python}
import sys
import SimpleITK as sitk
arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
image = sitk.ReadImage(sys.argv[sys.argv.index("-i") + 1])
assert "--ml" in sys.argv and sys.argv[sys.argv.index("--task") + 1] == "total"
labels = sitk.Cast(image > 150, sitk.sitkUInt8) * 52
labels[0, 0, 0] = 20
sitk.WriteImage(labels, sys.argv[sys.argv.index("-o") + 1])
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Discovery patients alone: no auxiliary center is needed."""
    folder = tmp_path_factory.mktemp("teachers") / "study"
    folder.mkdir()
    workflow.make(folder, {"changhai": 12})
    return folder


def labels_of(folder, patient):
    return volumes.read(folder / f"{patient}.nii.gz").array


def test_totalsegmentator_and_drawn_vessels_train_the_student(study, monkeypatch):
    workflow.write_config(study, organs={"teacher_source": "totalsegmentator"})
    target = "results/organs/model.pt"
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    said = workflow.snakemake(study, target, check=False)
    assert "TotalSegmentator is not installed. Run with --use-conda" in said
    tool = study.parent / "bin" / "TotalSegmentator"
    tool.parent.mkdir()
    tool.write_text(TOTALSEGMENTATOR.format(python=sys.executable), encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    workflow.snakemake(study, target)
    vessels = {KNOWN[name] for name in ("sma", "tc_sa", "lga", "cha_pha")}
    found = set()
    for path in (study / "results/organs/pseudo_totalsegmentator").glob("*.nii.gz"):
        found |= set(np.unique(volumes.read(path).array))
    assert {KNOWN["aorta"]} < found <= {0, KNOWN["aorta"]} | vessels
    assert not (study / "results/organs/teacher.pt").exists()
    # Of the organs alone: nothing here teaches the tumor network.
    jobs = workflow.planned(study, "results/statistics/evaluation/organs.tsv")
    assert not {"organs_teacher", "organs_pseudo"} & set(jobs) and "evaluate_organs" in jobs


def test_a_nnunet_model_labels_organs_and_tumors(study):
    model, at = study.parent / "model", (4.4, 3.6, 3.6)
    folder_of_a_model(model, seeds=(0, 1), spacing=at, labels={"background": 0, "spleen": 1, "liver": 2, "cancer": 3})  # fmt: skip
    source = {"nnunet": str(model)}
    workflow.write_config(
        study,
        organs={"teacher_source": source},
        tumor={
            "teacher_source": source | {"phase": "venous"},
            "start": "scratch",
            "piece": "largest",
        },
    )
    targets = ["results/organs/pseudo", "results/tumor/pseudo"]
    workflow.snakemake(study, *targets)
    organs = checkpoints.load(study / "results/organs/teacher_nnunet.pt")
    assert organs["learned_labels"] == sorted([KNOWN["spleen"], KNOWN["liver"]])
    tumor = checkpoints.load(study / "results/tumor/teacher_nnunet.pt")
    assert tumor["table"] == {"3": 1} and tumor["plans"]["channels"] == ["venous"]
    for folder in targets:
        assert list((study / folder).glob("*.nii.gz"))
    jobs = workflow.planned(study)
    assert not {"organs_teacher", "tumor_arterial"} & set(jobs) and "tumor_venous" in jobs
    workflow.write_config(study, tumor={"teacher_source": source, "start": "arterial"})
    said = workflow.snakemake(study, "--dry-run", check=False)
    assert "needs an arterial network that is trained here" in said
    workflow.write_config(study, organs={"teacher_source": {"nnunet": "nowhere"}}, tumor={})
    said = workflow.snakemake(study, "--dry-run", check=False)
    assert "organs.teacher_source.nnunet: there is no plans.json" in said
