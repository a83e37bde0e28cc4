"""What a new time of a script reruns (nothing), and what its new content does, by every way in."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import slurm_stand_in as slurm
import yaml
from snakemake_files import MODULE, rules
from study_config import reversed_keys
from workflow_study import PATIENTS

ROOT = Path(__file__).parents[1]
PATIENT = "CH001"
TARGETS = ("results/cohort/folds/fold0.tsv", f"results/cohort/{PATIENT}/venous.nii.gz")
# Scripts of the jobs that make them.
SCRIPTS = {"folds", "simulate", "intake"}
SNAKEMAKE = [sys.executable, "-m", "snakemake"]


class Clone:
    """The code as a clone has it, with the default study finished in it, or a part of it: `targets`."""

    def __init__(self, folder, targets=TARGETS):
        self.folder, self.targets = folder, targets

    @classmethod
    def fresh(cls, folder, targets=TARGETS):
        for name in ("config", "envs", "profiles", "workflow"):
            shutil.copytree(ROOT / name, folder / name)
        shutil.copy(ROOT / "Makefile", folder)
        shutil.copy(ROOT / "pyproject.toml", folder)
        shutil.copy(ROOT / "constraints.txt", folder)
        bin = folder / ".venv/bin"
        bin.mkdir(parents=True)
        for name, words in (("python", ""), ("snakemake", "-m snakemake")):
            (bin / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {words} "$@"\n')
            (bin / name).chmod(0o755)
        (folder / ".venv/ready").touch()
        return cls(folder, targets)

    def run(self, command, cwd=None, environment=None):
        path = str(self.folder / "workflow/lib")
        done = subprocess.run(
            list(map(str, command)),
            cwd=cwd or self.folder,
            capture_output=True,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path} | (environment or {}),
        )
        printed = done.stdout + done.stderr
        assert done.returncode == 0, printed[-4000:]
        return printed

    def planned(self):
        return self.run([*SNAKEMAKE, "--cores", "1", "--dry-run", *self.targets])

    def touch_code(self):
        """Every file of the code gets a time later than that of any result."""
        later = time.time() + 100
        for name in ("workflow", "config", "envs"):
            for path in (self.folder / name).rglob("*"):
                os.utime(path, (later, later))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished part of the study; then every file of the code gets a new time."""
    clone = Clone.fresh(tmp_path_factory.mktemp("reruns") / "clone")
    clone.run([*SNAKEMAKE, "--cores", "1", *TARGETS])
    clone.touch_code()
    return clone


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A whole study, every rule of it recorded as finished, and its code with new times.

    No job is run: each output is an empty line or an empty folder, and `--touch` records the jobs.
    """
    clone = Clone.fresh(tmp_path_factory.mktemp("whole") / "clone", targets=())
    simulator = clone.folder / "config/simulator.yaml"
    config = yaml.safe_load(simulator.read_text(encoding="utf-8"))
    centers = config["simulator"]["centers"]
    for center, patients in PATIENTS.items():
        centers[center]["patients"] = patients
    centers["changhai"]["labels"]["organs"] = {"train": 3, "validation": 1, "test": 2}
    simulator.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    printed = clone.run([*SNAKEMAKE, "--cores", "1", "--summary"])
    for name in re.findall(r"^(results/[^\t]+)\t", printed, re.M):
        path = clone.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix:
            path.write_bytes(b"\n")
        else:
            path.mkdir(exist_ok=True)
    clone.run([*SNAKEMAKE, "--cores", "1", "--touch", "--forceall", "--quiet", "all"])
    clone.touch_code()
    return clone


@pytest.fixture
def copied(finished, tmp_path):
    """What `cp -r` makes of it: all times new, those of the results too."""
    folder = tmp_path / "copied"
    shutil.copytree(finished.folder, folder, copy_function=shutil.copyfile)
    for path in (folder / ".venv/bin").iterdir():
        path.chmod(0o755)
    return Clone(folder)


def bare(clone, tmp_path):
    """In the repository; --use-conda is added by test_use_conda."""
    return clone.run([*SNAKEMAKE, "--cores", "all", "--dry-run", *clone.targets])


def by_make(clone, tmp_path):
    return clone.run(["make", "run", f"ARGS=--dry-run {' '.join(clone.targets)}"])


def another_directory(clone, tmp_path):
    """From elsewhere, as the README has it: a study's folder and configs over the default."""
    own = tmp_path / "config.yaml"
    own.write_text("jobs: {report: {mem_mb: 3000}}\n")  # of `jobs` nothing reruns
    command = [*SNAKEMAKE, "--cores", "1", "--snakefile", clone.folder / "workflow/Snakefile"]
    command += ["--directory", clone.folder, "--configfile", own, "--dry-run", "--", *clone.targets]
    return clone.run(command, cwd=tmp_path)


def by_the_slurm_profile(clone, tmp_path):
    """Without conda, since this study was finished without."""
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text(encoding="utf-8"))
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile/config.yaml").write_text(
        yaml.safe_dump(profile | {"software-deployment-method": "env-modules"})
    )
    command = [*SNAKEMAKE, "--workflow-profile", tmp_path / "profile", "--dry-run"]
    command += clone.targets
    return clone.run(command, environment=slurm.install(tmp_path / "slurm"))


def as_a_module(clone, tmp_path):
    own = tmp_path / "Snakefile"
    own.write_text(MODULE.format(snakefile=clone.folder / "workflow/Snakefile"))
    texts = [
        yaml.safe_load((clone.folder / f"config/{name}.yaml").read_text(encoding="utf-8"))
        for name in ("config", "simulator")
    ]
    (clone.folder / "config.yaml").write_text(yaml.safe_dump(texts[0] | texts[1], sort_keys=False))
    command = [*SNAKEMAKE, "--cores", "1", "--snakefile", own, "--directory", clone.folder]
    return clone.run([*command, "--dry-run", *clone.targets], cwd=tmp_path)


WAYS = [bare, by_make, another_directory, by_the_slurm_profile, as_a_module]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_new_times_of_scripts_rerun_nothing(whole, tmp_path, way):
    assert "othing to be done" in way(whole, tmp_path)


def test_a_fresh_clone_beside_finished_results_and_another_branch_and_back_rerun_nothing(
    whole, tmp_path
):
    clone = Clone.fresh(tmp_path / "elsewhere", targets=())
    for name in ("config", "results", ".snakemake"):
        shutil.copytree(whole.folder / name, clone.folder / name, dirs_exist_ok=True)
    script = clone.folder / "workflow/scripts/fit.py"
    content = script.read_bytes()
    git = ["git", "-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
    clone.run([*git, "init", "--quiet", "--initial-branch=main"])
    clone.run([*git, "add", "workflow", "config", "envs"])
    clone.run([*git, "commit", "--quiet", "-m", "all"])
    clone.run([*git, "checkout", "--quiet", "-b", "other"])
    script.write_bytes(content + b"\nchanged = True\n")
    clone.run([*git, "commit", "--quiet", "-am", "another script"])
    assert "Params have changed" in clone.planned()
    clone.run([*git, "checkout", "--quiet", "main"])
    assert script.read_bytes() == content
    assert "othing to be done" in clone.planned()


def test_a_copy_with_all_times_new_reruns_nothing(copied):
    assert "othing to be done" in copied.planned()


def test_settings_in_another_order_rerun_nothing(finished, tmp_path):
    own = tmp_path / "config.yaml"
    texts = [
        yaml.safe_load((finished.folder / f"config/{name}.yaml").read_text(encoding="utf-8"))
        for name in ("config", "simulator")
    ]
    own.write_text(yaml.safe_dump(reversed_keys(texts[0] | texts[1]), sort_keys=False))
    command = [*SNAKEMAKE, "--cores", "1", "--configfile", own, "--dry-run", "--", *TARGETS]
    assert "othing to be done" in finished.run(command)


def test_a_copy_without_its_times_is_put_in_order_by_touch(copied):
    """Snakemake compares inputs above 1 MB by time alone; `--touch` runs nothing."""
    image = copied.folder / f"results/simulator/images/{PATIENT}/venous.nii.gz"
    result = copied.folder / TARGETS[1]
    content = result.read_bytes()
    limit = ["--cores", "1", "--dry-run", *TARGETS]
    os.utime(image, (result.stat().st_mtime + 100,) * 2)
    with open(image, "ab") as file:
        file.truncate(1_000_001)
    assert "rule intake" in copied.run([*SNAKEMAKE, *limit])
    copied.run([*SNAKEMAKE, "--cores", "1", "--touch", *TARGETS])
    assert "othing to be done" in copied.run([*SNAKEMAKE, *limit])
    assert result.read_bytes() == content


def test_a_comment_reruns_nothing_and_new_content_of_a_script_its_own_jobs(copied):
    script = copied.folder / "workflow/scripts/folds.py"
    text = script.read_text(encoding="utf-8")
    script.write_text(f"{text}\n# A remark.\n", encoding="utf-8")
    assert "othing to be done" in copied.planned()
    script.write_text(f"{text}\nchanged = True\n", encoding="utf-8")
    printed = copied.planned()
    assert "rule folds" in printed and "Params have changed" in printed
    assert "rule intake" not in printed and "rule simulate" not in printed


def test_new_content_of_a_library_module_reruns_the_jobs_that_import_it(copied):
    module = copied.folder / "workflow/lib/nodestage/cohort/dicom/choosing.py"
    text = module.read_text(encoding="utf-8")
    module.write_text(f"{text}\nCHANGED = True\n", encoding="utf-8")
    printed = copied.planned()
    assert "rule intake" in printed and "rule simulate" not in printed


def test_somebody_elses_script_keeps_its_time(copied, tmp_path):
    """A workflow that imports this one has no digests: its own scripts rerun by Snakemake's rule."""
    (tmp_path / "own.py").write_text("open(snakemake.output[0], 'w').close()\n")
    rule = '\nrule own:\n    output: "own.txt"\n    script: "own.py"\n'
    snakefile = tmp_path / "Snakefile"
    as_a_module(copied, tmp_path)
    snakefile.write_text(snakefile.read_text() + rule)
    command = [*SNAKEMAKE, "--cores", "1", "--snakefile", snakefile, "--directory", copied.folder]
    copied.run([*command, "own.txt"])
    os.utime(tmp_path / "own.py", ((copied.folder / "own.txt").stat().st_mtime + 100,) * 2)
    printed = copied.run([*command, "--dry-run", "own.txt", *TARGETS])
    assert "rule own" in printed and "Code has changed" in printed
    assert not any(f"rule {name}" in printed for name in ("intake", "folds"))


def test_every_rule_with_a_script_has_the_digest_that_stands_for_its_time():
    with_script = {name: block for name, block in rules() if "scripts/" in block}
    assert len(with_script) > 40
    assert [
        name
        for name, block in with_script.items()
        if not re.search(r"\bcode=(lambda w: )?code\(", block)
    ] == []


def test_a_snakemake_that_asks_otherwise_for_times_is_named_and_runs(tmp_path):
    """Then jobs may run again for nothing, never the other way round."""
    shutil.copytree(ROOT / "workflow/rules", tmp_path / "rules")
    text = "import snakemake.jobs\n\ndel snakemake.jobs.get_script_mtime\n\n\n"
    text += 'include: "rules/reruns.smk"\n\nrule all:\n    shell: "true"\n'
    (tmp_path / "Snakefile").write_text(text)
    command = [*SNAKEMAKE, "--cores", "1", "--directory", tmp_path]
    printed = Clone(tmp_path).run([*command, "--snakefile", tmp_path / "Snakefile"])
    assert "--rerun-triggers mtime params input software-env" in printed
