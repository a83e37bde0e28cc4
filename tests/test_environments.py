"""Conda environments: each job has one, with all that its script can come to import, as it was tested.

That jobs really run in them: `test_use_conda`.
"""

import os
import re
import subprocess
import sys

import conda_stand_in as conda
import pytest
from job_environments import PACKAGE, ROOT, imports, jobs, pins
from needed import PYRADIOMICS
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from snakemake_files import rules


def test_every_rule_that_runs_something_names_an_environment():
    runs = {rule for rule, block in rules() if re.search("^    (script|shell|run):", block, re.M)}
    named = {
        rule
        for rule, block in rules()
        if re.search(r"^    conda:\n +\"\.\./\.\./envs/", block, re.M)
    }
    assert len(runs) > 30 and runs - named == set()


@pytest.mark.parametrize("rule, script, environment", list(jobs()))
def test_the_environment_of_a_job_has_what_its_script_reaches(rule, script, environment):
    wanted = {PACKAGE.get(name, name) for name in imports(rule, script)}
    assert set(map(canonicalize_name, wanted)) - set(pins(ROOT / "envs" / environment)) == set()


# An environment of somebody else's program, which no test runs.
APART = "totalsegmentator"


@pytest.mark.parametrize(
    "path",
    sorted(path for path in ROOT.glob("envs/*.yaml") if path.stem != APART),
    ids=lambda path: path.stem,
)
def test_an_environment_pins_what_was_tested(path):
    """Every package that constraints.txt knows and that comes in, asked for or not."""
    if path.stem == "radiomics":
        pytest.importorskip("radiomics", reason=PYRADIOMICS)
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lines = [Requirement(line) for line in text.splitlines() if not line.startswith("#")]
    tested = {canonicalize_name(line.name): line.specifier for line in lines}
    pinned = pins(path)
    assert {
        str(line)
        for name, line in pinned.items()
        if not tested[name].contains(str(line.specifier).removeprefix("=="))
    } == set()
    come = conda.needed(pinned) & {name for name in tested if "==" in str(tested[name])}
    assert come - set(pinned) == set()


def test_a_job_imports_this_library_whatever_else_is_installed(tmp_path):
    other = tmp_path / "other" / "nodestage"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("raise ImportError('another nodestage')\n")
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        ROOT / "workflow/Snakefile",
        "--cores",
        "1",
    ]
    command += ["--directory", tmp_path / "study", "results/cohort/folds/fold0.tsv"]
    environment = os.environ | {"PYTHONPATH": str(other.parent)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    assert (tmp_path / "study/results/cohort/folds/fold0.tsv").is_file()
