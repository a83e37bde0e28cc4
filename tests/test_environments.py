"""A job's conda environment holds every package that its script can come to import."""

import ast
import re
import sys
from pathlib import Path

import pytest

from nodestage import digest

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
LEARNING = {"torch", "nnunetv2", "acvl_utils", "batchgeneratorsv2"}
FEATURES = {"radiomics", "pywt"}
NEVER = {  # imported inside functions that the job doesn't call
    "evaluate_organs": LEARNING,
    "evaluate_tumor": LEARNING,
    **dict.fromkeys(("fit", "score", "saliency", "signature"), FEATURES),
}


def jobs():
    """(rule, script, environment) of every rule that has them."""
    for path in sorted(ROOT.glob("workflow/rules/*.smk")):
        for block in re.split(r"\n(?=rule |use rule )", path.read_text(encoding="utf-8")):
            rule = re.match(r"\s*rule (\w+):", block)
            script = re.search(r"scripts/(\w+\.py)", block)
            environment = re.search(r"envs/(\w+\.yaml)", block)
            if rule and script and environment:
                yield rule[1], script[1], environment[1]


def packages(path):
    """Top-level names of what a file imports, in functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"nodestage"}


@pytest.mark.parametrize("rule, script, environment", list(jobs()))
def test_the_environment_of_a_job_has_what_its_script_reaches(rule, script, environment):
    script = ROOT / "workflow/scripts" / script
    reached = {script, *(p for p in digest.reached(script) if p.suffix == ".py")}
    wanted = set().union(*map(packages, reached)) - NEVER.get(rule, set())
    listed = (ROOT / "envs" / environment).read_text(encoding="utf-8").lower()
    has = set(re.findall(r"^\s*- ([a-z0-9_-]+)", listed, re.MULTILINE))
    assert {PACKAGE.get(name, name).lower() for name in wanted} - has == set()
