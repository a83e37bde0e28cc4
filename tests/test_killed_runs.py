"""A run that is killed at random, again and again, ends with the tables of an undisturbed one.

Twenty starts of Snakemake take minutes, so this is left out unless it is asked for by its marker:
`pytest -m kills tests/test_killed_runs.py`. Images are read and one method is fitted, scored and compared; no
network is trained: killed trainings are in `test_killed_training.py`.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import workflow_study as workflow

from nodestage.core import tables

pytestmark = pytest.mark.kills

KILLS = int(os.environ.get("KILLS", "20"))
TARGETS = ("results/statistics/changhai", "results/cohort/same_images.json")
OFF = (
    "radiomics", "radiomics_ct_report", "resnet3d", "resnet2d", "deepten", "tumor_net", "nodes_plain", "nodes_attention", "combined",
    "nodes_candidates", "combined_candidates", "combined_radiomics",
)  # fmt: skip


@pytest.fixture
def study(tmp_path):
    """Images and given masks of one center, nothing run yet."""
    workflow.make(tmp_path / "study", {"changhai": 12})
    given = {"source": "given"}
    workflow.write_config(
        tmp_path / "study",
        organs=given,
        tumor=given,
        identification={"candidates": False},
        methods=dict.fromkeys(OFF),
        statistics={"primary": {"method": "ct_report", "reference": "ct_report"}, "bootstraps": 50},
    )
    return tmp_path / "study"


def life(folder, jobs, delay):
    """Kill a run, Snakemake and its jobs, some seconds after so many jobs began; whether it was still at work."""
    small = Path(__file__).with_name("small.yaml")
    command = [sys.executable, "-m", "snakemake", "--snakefile"]
    command += [workflow.REPOSITORY / "workflow/Snakefile", "--directory", folder, "--cores", "2"]
    command += ["--configfile", small, folder / "config.yaml", "--", *TARGETS]
    with subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as run:
        for line in run.stderr:
            jobs -= line.startswith(("rule ", "localrule "))
            if jobs == 0:
                break
        try:
            run.wait(timeout=delay)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
        run.stderr.close()
    return run.returncode == -signal.SIGKILL


def test_twenty_kills_change_no_file(study, tmp_path):
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(study, undisturbed)
    workflow.snakemake(undisturbed, "--", *TARGETS)
    seed = random.randrange(10**6)
    draw, kills = random.Random(seed), 0
    print(f"seed {seed}")
    for _ in range(KILLS):
        kills += life(study, draw.randint(1, 4), draw.uniform(0, 2))
        # What `make unlock` does, without another start of Snakemake.
        shutil.rmtree(study / ".snakemake/locks", ignore_errors=True)
    workflow.snakemake(study, "--", *TARGETS)
    print(f"{kills} kills while jobs were running")
    assert kills >= KILLS - 2  # the last ones may come after the end
    assert tables.read(study / "results/statistics/changhai/performance.tsv")
    now, expected = (
        workflow.digests(folder, "results/**/*", hidden=True) for folder in (study, undisturbed)
    )
    assert now == expected
