"""Conda environments: each job has one, with all that its script can come to import, as it was tested.

That jobs really run in them: `test_use_conda`.
"""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import conda_stand_in as conda
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from snakemake_files import rules

from nodestage.core import digest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = {  # what an import is called where packages are listed, if otherwise
    "PIL": "matplotlib",  # Pillow comes with it
    "cc3d": "connected-components-3d",
    "markupsafe": "jinja2",
    "pywt": "pywavelets",
    "radiomics": "pyradiomics",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "threadpoolctl": "scikit-learn",
    "yaml": "pyyaml",
}
LEARNING = {
    "torch",
    "nnunetv2",
    "acvl_utils",
    "batchgeneratorsv2",
    "dynamic_network_architectures",
}
FEATURES = {"radiomics", "pywt"}
NEVER = {  # imported inside functions that the job doesn't call
    "evaluate_organs": LEARNING,
    "evaluate_tumor": LEARNING,
    **dict.fromkeys(("fit", "score", "saliency", "signature", "robustness"), FEATURES),
}


def jobs():
    """(rule, script, environment) of every rule that has them."""
    for rule, block in rules():
        script = re.search(r"scripts/(\w+\.py)", block)
        environment = re.search(r"envs/(\w+\.yaml)", block)
        if script and environment:
            yield rule, script[1], environment[1]


def pins(path):
    """{package: the line that pins it} of an environment, and of the script that finishes it."""
    lines = conda.pip_section(yaml.safe_load(path.read_text(encoding="utf-8")))
    finish = path.with_suffix(".post-deploy.sh")
    if finish.exists():
        lines += re.findall(r"\S+==\S+", finish.read_text(encoding="utf-8"))
    return {canonicalize_name(Requirement(line).name): Requirement(line) for line in lines}


def packages(path):
    """Top-level names of what a file imports, in functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"nodestage"}


def imports(rule, script):
    """Top-level names of all that a rule's script can come to import."""
    script = ROOT / "workflow/scripts" / script
    reached = {script, *(p for p in digest.reached(script) if p.suffix == ".py")}
    return set().union(*map(packages, reached)) - NEVER.get(rule, set())


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
