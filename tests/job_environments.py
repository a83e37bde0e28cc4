"""The conda environment of each job, what it pins, and what the job's script can come to import."""

import ast
import re
import sys
from pathlib import Path

import conda_stand_in as conda
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
