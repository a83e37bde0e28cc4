"""The profile for Slurm against a cluster that fails, and a run that was killed.

The cluster is a set of stand-ins (`slurm_stand_in`, `conda_stand_in`) that run the jobs on this
machine; Snakemake, its executor, the profile and the rules are the real ones.
"""

import gzip
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import conda_stand_in as conda
import numpy as np
import pytest
import slurm_stand_in as slurm
import yaml
from snakemake.cli import parse_args

from nodestage.core import volumes
from nodestage.core.errors import InputError
from nodestage.study import run as run_of_make

ROOT = Path(__file__).parents[1]
PROFILE = ROOT / "profiles" / "slurm"
IMAGES = "results/simulator/images"


def snakemake(folder, *arguments, **more):
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "workflow/Snakefile"]
    command += ["--directory", folder, *arguments]
    more["env"] = os.environ | {"OMP_NUM_THREADS": "1"} | more.get("env", {})
    return subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        **more,
    )


def finished(process, timeout=500):
    """(exit code, what was printed); a run that hangs is killed and fails the test."""
    try:
        printed, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError("Snakemake hangs:\n" + process.communicate()[0][-3000:]) from None
    return process.returncode, printed


# Slurm


def stand_ins_before_a_real_slurm(folder, plan=None):
    """A PATH on which both stand-ins come before a Slurm that is installed, and that fails if asked.

    On a login node the commands lie beside python's; what the stand-ins add of the tests' own PATH
    must therefore come last, once.
    """
    conda.install(folder / "conda")
    slurm.install(folder / "slurm", plan)
    installed = folder / "installed"
    installed.mkdir()
    for name in slurm.COMMANDS:
        (installed / name).write_text(f"#!/bin/sh\necho {name} >> {folder}/asked\nexit 97\n")
        (installed / name).chmod(0o755)
    first = [folder / "conda/bin", folder / "slurm/bin", installed]
    return os.pathsep.join([*map(str, first), os.environ["PATH"]])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """One patient from the simulator through intake, on a cluster where everything goes wrong once."""
    folder = tmp_path_factory.mktemp("cluster")
    plan = {
        # More in a row than the executor would bear by itself.
        "squeue_fails": 8,
        "needs": {"simulate_teaching": {"mem_mb": 2500}, "intake": {"minutes": 30}},
        "late": {"results/cohort/CH001/venous.nii.gz": 6},
    }
    environment = {"PATH": stand_ins_before_a_real_slurm(folder, plan)}
    profile = yaml.safe_load((PROFILE / "config.yaml").read_text(encoding="utf-8"))
    # The same waits, in a fraction of the time.
    profile |= {"seconds-between-status-checks": 1, "max-status-checks-per-second": 4}
    profile |= {"slurm-init-seconds-before-status-checks": 1}
    (folder / "profile").mkdir()
    (folder / "profile" / "config.yaml").write_text(yaml.safe_dump(profile), encoding="utf-8")
    target = "results/cohort/CH001/venous.nii.gz"
    run = snakemake(
        folder / "study", "--workflow-profile", folder / "profile", target, env=environment
    )
    code, printed = finished(run)
    return folder, code, printed


def test_the_run_ends_well_without_accounting_and_outlives_an_outage(cluster):
    folder, code, printed = cluster
    assert code == 0, printed[-3000:]
    assert "Slurm accounting storage is disabled" in printed
    assert yaml.safe_load((folder / "slurm" / "plan.json").read_text())["squeue_fails"] == 0
    assert volumes.read(folder / "study/results/cohort/CH001/venous.nii.gz").array.any()


def test_no_command_of_an_installed_slurm_is_asked(cluster):
    folder = cluster[0]
    assert not (folder / "asked").exists(), (folder / "asked").read_text()
    assert slurm.jobs(folder / "slurm")


def test_a_job_out_of_memory_gets_more_and_one_out_of_time_gets_longer(cluster):
    found = slurm.jobs(cluster[0] / "slurm")
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))["jobs"]
    asked = [(job["rule"], job["mem_mb"], job["minutes"], job["state"]) for job in found]
    simulate, intake = config["simulate"], config["intake"]
    assert asked == [
        ("simulate_teaching", simulate["mem_mb"], simulate["runtime"], "OUT_OF_MEMORY"),
        ("simulate_teaching", 2 * simulate["mem_mb"], 2 * simulate["runtime"], "COMPLETED"),
        ("intake", intake["mem_mb"], intake["runtime"], "TIMEOUT"),
        ("intake", 2 * intake["mem_mb"], 2 * intake["runtime"], "COMPLETED"),
    ]


def test_jobs_run_in_the_environment_that_was_made_for_them_before(cluster):
    folder = cluster[0] / "conda"
    (made,) = conda.created(folder)
    assert made["text"] == (ROOT / "envs/imaging.yaml").read_text(encoding="utf-8")
    scripts = [job for job in conda.ran(folder) if job["script"].startswith("tmp")]
    assert [job["script"].split(".", 1)[1] for job in scripts] == ["simulate.py", "intake.py"]
    assert {job["prefix"] for job in scripts} == {made["prefix"]}


def test_the_whole_study_can_be_planned_with_the_profile(tmp_path):
    path = stand_ins_before_a_real_slurm(tmp_path)
    profile = ["--workflow-profile", PROFILE, "--dry-run", "--quiet", "rules"]
    code, printed = finished(snakemake(tmp_path / "study", *profile, env={"PATH": path}))
    assert code == 0, printed[-3000:]


def test_an_output_that_is_seen_late_is_waited_for(cluster):
    """It appeared six seconds after its job had ended: nothing was lost, nothing ran again."""
    _, code, printed = cluster
    assert code == 0 and "MissingOutputException" not in printed
    assert "2 of 2 steps" in printed


def test_the_documented_command_takes_the_profiles_waits_and_retries(monkeypatch):
    """As a second profile beside the default one its settings would be overruled."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    command = re.search(r"`snakemake ([^`]*profiles/slurm[^`]*)`", text).group(1)
    monkeypatch.chdir(ROOT)
    _, given = parse_args(shlex.split(command))
    wanted = yaml.safe_load((PROFILE / "config.yaml").read_text(encoding="utf-8"))
    for key in (
        "executor",
        "latency-wait",
        "retries",
        "keep-going",
        "scheduler",
        "rerun-incomplete",
    ):
        assert getattr(given, key.replace("-", "_")) == wanted[key], key
    assert given.latency_wait >= 40
    outage = wanted["slurm-status-attempts"] / wanted["max-status-checks-per-second"]
    assert outage >= 1800, "seconds for which the controller may be away"
    assert given.configfile == [Path("config/paper.yaml"), Path("my_study/config.yaml")]


# A run that was killed


def test_after_a_kill_one_command_frees_the_folder_and_only_unfinished_jobs_run(tmp_path):
    default = ["--cores", "1", "--workflow-profile", ROOT / "profiles" / "default"]
    targets = [f"{IMAGES}/{patient}/venous.nii.gz" for patient in ("CH001", "CH002")]
    arguments = [*default, *targets]
    run = snakemake(tmp_path, *arguments)
    logs = {p: tmp_path / f"logs/cohort/simulate/{p}.log" for p in ("CH001", "CH002")}
    while not all(path.exists() for path in logs.values()):
        assert run.poll() is None, finished(run)[1][-3000:]
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGKILL)
    finished(run)
    images = {patient: tmp_path / IMAGES / patient / "venous.nii.gz" for patient in logs}
    done, cut = sorted(logs, key=lambda patient: not images[patient].exists())
    whole = images[done].read_bytes()
    # What a writer leaves that doesn't write under another name first.
    half = images[cut]
    assert not half.exists()
    half.write_bytes(whole[: len(whole) // 2])

    code, printed = finished(snakemake(tmp_path, *arguments))
    assert code != 0 and "unlock" in printed and "Traceback" not in printed
    assert run_of_make.is_locked(tmp_path)
    # What `make unlock` runs.
    assert finished(snakemake(tmp_path, *default, "--unlock"))[0] == 0
    assert not run_of_make.is_locked(tmp_path)
    code, printed = finished(snakemake(tmp_path, *arguments))
    assert code == 0, printed[-3000:]
    assert "1 of 1 steps" in printed and f"patient={cut}" in printed
    assert f"patient={done}" not in printed
    assert volumes.read(half).array.any()
    assert images[done].read_bytes() == whole

    # A file that was cut later, by a full disk or a copy, is told of by the job that reads it.
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    code, printed = finished(snakemake(tmp_path, *default, f"results/cohort/{cut}/venous.nii.gz"))
    assert code != 0 and f"Error: {cut}: venous" in printed
    assert not (tmp_path / f"results/cohort/{cut}/venous.nii.gz").exists()


@pytest.mark.parametrize("keep", [0.999, 0.5, 0.01])
def test_a_file_that_lacks_its_end_is_refused_however_little_is_missing(tmp_path, keep):
    path = tmp_path / "a.nii.gz"
    whole = np.random.default_rng(0).integers(-999, 999, (12, 40, 40))
    volumes.write_volume(path, volumes.Volume(whole.astype("i2"), (1, 1, 1)))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises((EOFError, gzip.BadGzipFile)):
        gzip.decompress(path.read_bytes())
    with pytest.raises(InputError, match="cut short"):
        volumes.read(path)
