"""A part of a study through a real Slurm, where one answers; what goes wrong there: `test_cluster`.

A whole small study is run to its reports by `pytest -m further tests/test_slurm.py`.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import workflow_study as workflow
import yaml

from nodestage.core import volumes

ROOT = Path(__file__).parents[1]
PATIENTS = ("CH001", "CH002")
TARGETS = [f"results/cohort/{patient}/venous.nii.gz" for patient in PATIENTS]


# Methods of which a small study needs none to reach its reports.
OFF = (
    "radiomics_ct_report", "resnet3d", "resnet2d", "deepten", "tumor_net", "nodes_plain", "nodes_candidates",
    "combined_candidates", "combined_radiomics",
)  # fmt: skip

# What jobs took, on the study's page; how many of the reports had ended when it was made
COST = re.compile(
    r'<span class="number"[^>]* data-column="(jobs|seconds|peak_mb)"[^>]*>[^<]*</span>'
)


def snakemake(folder, *arguments, check=True, timeout=900):
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "workflow/Snakefile"]
    command += ["--directory", folder, *arguments]
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        timeout=timeout,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    printed = done.stdout + done.stderr
    assert not check or done.returncode == 0, printed[-4000:]
    return printed


def grouped(*arguments):
    """The profile without conda, asking often: a test's jobs last seconds."""
    profile = ["--workflow-profile", ROOT / "profiles/slurm-grouped"]
    profile += ["--software-deployment-method", "env-modules"]
    profile += ["--slurm-init-seconds-before-status-checks", "1"]
    profile += ["--seconds-between-status-checks", "2", "--max-status-checks-per-second", "1"]
    return [*profile, *arguments]


@pytest.fixture
def slurm():
    """Skip in words where no node of a Slurm can take a job."""
    if not shutil.which("sinfo"):
        pytest.skip("Slurm is not installed here (sinfo is not found).")
    try:
        asked = ["sinfo", "--noheader", "--format=%T"]
        states = subprocess.run(asked, capture_output=True, text=True, timeout=10)
    except subprocess.TimeoutExpired:
        pytest.skip("Slurm's controller does not answer (sinfo).")
    if not {"idle", "mixed", "allocated", "completing"} & set(states.stdout.split()):
        pytest.skip(f"No node of this Slurm takes jobs (sinfo: {states.stdout or states.stderr}).")


def test_jobs_of_two_patients_are_one_submission_and_give_the_same_files_as_here(slurm, tmp_path):
    printed = snakemake(tmp_path / "there", *grouped(*TARGETS))
    submitted = re.findall(r"SLURM jobid (\d+)", printed)
    assert len(set(submitted)) == 1, printed[-3000:]
    assert "othing to be done" in snakemake(tmp_path / "there", "--dry-run", *TARGETS)
    snakemake(tmp_path / "here", "--cores", "1", TARGETS[0])
    first, second = (volumes.read(tmp_path / "there" / target) for target in TARGETS)
    assert first.array.any() and second.array.any()
    same = (tmp_path / name / TARGETS[0] for name in ("there", "here"))
    assert len({path.read_bytes() for path in same}) == 1


def study(folder):
    """Images and given masks of two centers; a node network is trained per fold."""
    folder.mkdir()
    workflow.make(folder, {"changhai": 12, "tianjin": 2})
    masks = {"source": "given"}
    workflow.write_config(
        folder,
        organs=masks,
        tumor=masks,
        identification={"candidates": False},
        folds={"n": 2, "inner": 0},
        methods=dict.fromkeys(OFF),
    )


@pytest.mark.further
def test_a_small_study_has_the_same_results_as_here(slurm, tmp_path):
    for place, how in (("there", grouped()), ("here", ["--cores", "2"])):
        study(tmp_path / place)
        small = Path(__file__).with_name("small.yaml")
        configs = ["--configfile", small, tmp_path / place / "config.yaml"]
        snakemake(tmp_path / place, *how, *configs, timeout=7200)
    here, there = (
        workflow.digests(tmp_path / place, "results/**/*", hidden=True)
        for place in ("here", "there")
    )
    page = "results/report/study.html"
    assert {page, "results/report/tianjin.html"} <= set(there)
    here.pop(page), there.pop(page)
    assert here == there
    pages = [(tmp_path / place / page).read_text(encoding="utf-8") for place in ("here", "there")]
    assert [len(COST.findall(text)) > 10 for text in pages] == [True, True]
    assert COST.sub("", pages[0]) == COST.sub("", pages[1])


def test_the_grouped_profile_is_the_other_one_with_groups():
    texts = [
        yaml.safe_load((ROOT / f"profiles/{name}/config.yaml").read_text(encoding="utf-8"))
        for name in ("slurm", "slurm-grouped")
    ]
    more = {"groups", "group-components", "resources", "set-resource-scopes"}
    assert {key: value for key, value in texts[1].items() if key not in more} == texts[0]
    assert more <= set(texts[1])
    components = {line.partition("=")[0] for line in texts[1]["group-components"]}
    assert {line.partition("=")[2] for line in texts[1]["groups"]} == components
