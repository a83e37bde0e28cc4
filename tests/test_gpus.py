"""A machine without a GPU doesn't begin trainings that want one; whoever submits to a cluster may."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nodestage.core import gpus
from nodestage.core.errors import InputError

RULES = Path(__file__).parents[1] / "workflow" / "rules" / "scheduling.smk"
LIBRARY = Path(__file__).parents[1] / "workflow" / "lib"
JOBS = {"train": {"gpu": 1}, "predict": {"gpu": 1}, "fit": {"mem_mb": 9}}
WORKFLOW = f"""
config["jobs"] = {JOBS!r}
include: "{RULES}"

rule all:
    input: "trained.txt"

rule early:
    output: "early.txt"
    shell: "touch {{output}}"

rule train:
    input: "early.txt"
    output: "trained.txt"
    resources:
        gpu=lambda w, attempt: 1
    shell: "touch {{output}}"
"""
NONE = {"CUDA_VISIBLE_DEVICES": ""}


def run(folder, *arguments):
    Path(folder, "Snakefile").write_text(WORKFLOW)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--resources", "gpu=1"]
    command += ["--scheduler", "greedy", *arguments]
    found = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=os.environ | NONE
    )
    return found.returncode, found.stdout + found.stderr


def test_gpus_are_seen_by_their_device(tmp_path):
    assert not gpus.seen(tmp_path, {})
    (tmp_path / "nvidiactl").touch()  # a driver without a GPU
    assert not gpus.seen(tmp_path, {})
    (tmp_path / "nvidia0").touch()
    assert gpus.seen(tmp_path, {}) and not gpus.seen(tmp_path, NONE)


def test_the_message_names_the_jobs_and_the_ways_on(tmp_path):
    gpus.check([], JOBS, tmp_path, {})
    with pytest.raises(InputError) as said:
        gpus.check(["organs_teacher"], JOBS, tmp_path, {})
    for words in ("organs_teacher", "PRESET=config/config.yaml", "profiles/slurm"):
        assert words in str(said.value)
    assert "jobs: {train: {gpu: 0}, predict: {gpu: 0}}" in str(said.value)


def test_a_run_here_is_refused_before_its_first_job(tmp_path):
    code, printed = run(tmp_path)
    assert code != 0 and "No GPU is seen" in printed and "Traceback" not in printed
    assert not (tmp_path / "early.txt").exists()
    # A dry run, and what needs no card, go on; nor is anything asked once all is done.
    assert run(tmp_path, "-n")[0] == 0
    assert run(tmp_path, "early.txt")[0] == 0
    (tmp_path / "trained.txt").touch()
    assert run(tmp_path, "--touch")[0] == 0 and run(tmp_path)[0] == 0


def test_radiomics_without_pyradiomics_are_refused_before_the_first_job(tmp_path):
    """As on Python 3.12, where it doesn't build; what needs none goes on."""
    hidden = tmp_path / "sitecustomize.py"
    hidden.write_text("import sys\nsys.modules['radiomics'] = None\n")
    text = f'include: "{RULES}"\n\nrule all:\n    input: "a.txt"\n\nrule early:\n'
    text += '    output: "early.txt"\n    shell: "touch {output}"\n\nrule radiomics:\n'
    text += '    input: "early.txt"\n    output: "a.txt"\n    shell: "touch {output}"\n'
    (tmp_path / "Snakefile").write_text(text)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--scheduler", "greedy"]
    path = os.pathsep.join([str(tmp_path), str(LIBRARY)])

    def called(*targets):
        done = subprocess.run(
            [*command, *targets],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": path},
        )
        return done.returncode, done.stdout + done.stderr

    code, printed = called()
    assert code and "PyRadiomics is not installed" in printed and "--use-conda" in printed
    assert not (tmp_path / "early.txt").exists()
    assert called("early.txt")[0] == 0
