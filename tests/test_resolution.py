"""The pins of each conda environment resolve together, for Python 3.11 on Linux.

uv reads what the packages ask of each other and installs nothing. conda's own part, Python, pip and a
compiler from conda-forge, is not solved here.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from job_environments import ROOT, pins
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ENVIRONMENTS = sorted(ROOT.glob("envs/*.yaml"))
UV = Path(sys.executable).with_name("uv")
NO_INDEX = re.compile(
    r"failed to fetch|error sending request|dns error|connect error|timed out", re.I
)


def resolved(path, *options):
    """{package: version} of all that an environment's pins bring; without an index the test is skipped."""
    if not UV.exists():
        pytest.skip(f"uv, which `make` installs, is not in {UV.parent}.")
    command = [UV, "pip", "compile", "-", "--quiet", "--no-header", "--no-annotate"]
    command += [
        "--python-version",
        "3.11",
        "--python-platform",
        "x86_64-unknown-linux-gnu",
        *options,
    ]
    # In the repository, whose pyproject.toml says what building PyRadiomics needs.
    done = subprocess.run(
        list(map(str, command)),
        input="\n".join(map(str, pins(path).values())),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode and NO_INDEX.search(done.stderr):
        pytest.skip("No package index can be reached, so the pins can't be resolved.")
    assert done.returncode == 0, done.stderr[-3000:]
    found = [Requirement(line.split(" ;")[0]) for line in done.stdout.splitlines() if "==" in line]
    return {canonicalize_name(line.name): str(line.specifier)[2:] for line in found}


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_the_pins_of_an_environment_resolve_together(path):
    versions = resolved(path)
    for name, pin in pins(path).items():
        assert pin.specifier.contains(versions[name]), name
    if path.stem == "deep":  # the public wheel of torch is the one for GPUs
        assert any(name.startswith("nvidia-") for name in versions)


def test_the_networks_environment_resolves_with_a_wheel_of_torch_for_cpus():
    """Where a folder holds one: its version, such as 2.13.0+cpu, satisfies the pin."""
    folder = Path(os.environ.get("PIP_FIND_LINKS", ""))
    if not list(folder.glob("torch-*+cpu-cp311-*.whl")):
        pytest.skip("PIP_FIND_LINKS names no folder with a CPU build of torch.")
    versions = resolved(ROOT / "envs/deep.yaml", "--find-links", folder)
    assert versions["torch"].endswith("+cpu")
    assert not any(name.startswith("nvidia-") for name in versions)
