"""Where the workflow begins: by itself, from another folder, as a module, and what a job asks."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from snakemake_files import MODULE

ROOT = Path(__file__).parents[1]


def planned(folder, *arguments):
    """{rule: jobs} of a dry run there."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--dry-run", "--quiet", "rules"]
    done = subprocess.run(
        [*command, "--directory", folder, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed[-3000:]
    found = re.findall(r"^(\w+) +(\d+)$", printed.partition("Job stats:")[2], re.MULTILINE)
    return {rule: int(n) for rule, n in found}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return planned(tmp_path_factory.mktemp("study"))


def test_without_a_word_of_which_the_whole_study_is_planned(whole):
    assert whole["all"] == 1 and whole["study_report"] == 1 and whole["total"] > 500


def test_as_a_module_the_same_is_planned(whole, tmp_path):
    own = tmp_path / "Snakefile"
    own.write_text(MODULE.format(snakefile=ROOT / "workflow/Snakefile"))
    files = [
        yaml.safe_load((ROOT / f"config/{f}.yaml").read_text()) for f in ("config", "simulator")
    ]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(files[0] | files[1]))
    found = planned(tmp_path, "--snakefile", own)
    assert found.pop("everything") == whole["all"] == 1  # nobody asks for the module's own `all`
    assert found == {rule: n for rule, n in whole.items() if rule != "all"}


def asked(printed, rule):
    """{resource: what the first job of a rule asks for}, from a dry run's words."""
    block = re.search(rf"^(?:local)?rule {rule}:$(.*?)^$", printed, re.MULTILINE | re.DOTALL).group(
        1
    )
    resources = re.search(r"resources: (.*)", block).group(1)
    return dict(pair.split("=", 1) for pair in resources.split(", "))


def test_a_job_asks_for_what_it_needs(tmp_path):
    """Time by the patients that it goes through; a card also where networks score."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    jobs = {"center": {"runtime": 10, "seconds_per_patient": 90}, "score": {"gpu": 1}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"jobs": config["jobs"] | jobs}))
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--dry-run", "--directory"]
    command += [tmp_path, "results/report/gallery/shengjing.json", "--configfile"]
    done = subprocess.run(
        [*command, tmp_path / "own.yaml"], capture_output=True, text=True, cwd=ROOT
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed[-3000:]
    simulated = yaml.safe_load((ROOT / "config/simulator.yaml").read_text())["simulator"]["centers"]
    imaged = simulated["shengjing"]["patients"] - simulated["shengjing"]["missing"]["arterial"]
    assert asked(printed, "gallery")["runtime"] == str(10 + int(np.ceil(imaged * 1.5)))
    assert asked(printed, "saliency")["gpu"] == "1"
    assert asked(printed, "tumor_views")["runtime"] == str(config["jobs"]["default"]["runtime"])
