"""`snakemake --use-conda` as the README has it, on a part of a small study that reaches every environment.

conda is a stand-in (`conda_stand_in`): that environments are made, that jobs run in them and find
what they import is proven; what conda solves and downloads is not.
"""

import re
import shutil
import subprocess
from pathlib import Path

import conda_stand_in as conda
import job_environments as environments
import pytest
import workflow_study as workflow
import yaml
from snakemake.cli import parse_args

ROOT = Path(__file__).parents[1]
# That of TotalSegmentator is made only where a study has it as teacher.
FILES = {
    path.name: path.read_text(encoding="utf-8")
    for path in ROOT.glob("envs/*.yaml")
    if path.name != "totalsegmentator.yaml"
}
TARGETS = (
    "results/baselines/radiomics/TE001.tsv",
    "results/report/qc/teaching.html",
    "results/tumor/arterial.pt",
    "results/predictions/ct_report/fold0/changhai.tsv",
    "results/bundle/fold0/baselines.pt",  # by a rule without a script
)


class Home:
    """A place with conda, the code as a clone has it, and a study of one phase and one method."""

    def __init__(self, folder):
        self.code, self.study, self.conda = folder / "code", folder / "study", folder / "conda"
        for name in ("config", "envs", "profiles", "workflow"):
            shutil.copytree(ROOT / name, self.code / name)
        self.environment = conda.install(self.conda) | {"OMP_NUM_THREADS": "1"}
        self.study.mkdir()
        rows = workflow.make(self.study, {"changhai": 12, "teaching": 1})
        # Without a second phase nothing is registered, which would be compiled first.
        workflow.write_sheet(self.study, [*rows[:-1], rows[-1] | {"venous": ""}])
        config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
        workflow.write_config(
            self.study,
            methods=dict.fromkeys(config["methods"].keys() - {"ct_report"}),
            statistics={"primary": {"method": "ct_report", "reference": "ct_report"}},
            tumor={"source": "given", "network": {"epochs": 1}},
            substitute_phase=True,
        )

    def documented(self, *arguments):
        """What the README's three commands print, the last with more arguments."""
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        commands = re.search(r"^ +conda env create.*?--use-conda$", text, re.M | re.S)[0]
        create, activate, run = commands.split("\n")
        lines = [activate.replace("conda activate", "source activate"), run]
        if not conda.created(self.conda):
            lines.insert(0, create)
        call = " && ".join(map(str.strip, lines))
        done = subprocess.run(
            ["bash", "-c", f'{call} "$@"', "bash", *map(str, arguments)],
            cwd=self.code,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        printed = done.stdout + done.stderr
        assert done.returncode == 0, printed[-6000:]
        return printed

    def part(self, *arguments):
        small = ROOT / "tests/small.yaml"
        config = ("--configfile", small, self.study / "config.yaml")
        return self.documented("--directory", self.study, *config, *arguments, "--", *TARGETS)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("conda"))
    home.part()
    return home


@pytest.fixture(scope="module")
def scripts(home):
    """[(script, text of its environment's file, {module: file}, prefix)] of every job, as it ran."""
    file = {made["prefix"]: made["text"] for made in conda.created(home.conda)}
    return [
        (job["script"].split(".", 1)[1], file[job["prefix"]], job["origins"], job["prefix"])
        for job in conda.ran(home.conda)
        if job["script"].startswith("tmp")
    ]


def test_each_environment_is_made_once_from_its_file(home):
    made = conda.created(home.conda)
    assert sorted(m["text"] for m in made) == sorted(FILES.values())
    first, *others = made
    assert first["text"] == FILES["snakemake.yaml"]
    assert {Path(m["prefix"]).parent for m in others} == {home.study / ".snakemake/conda"}


def test_every_script_runs_in_the_python_of_its_environment(home, scripts):
    wanted = {script: FILES[file] for _, script, file in environments.jobs()}
    assert {script: file for script, file, *_ in scripts} == {
        script: wanted[script] for script, *_ in scripts
    }
    assert {file for _, file, *_ in scripts} == {
        text for name, text in FILES.items() if name != "snakemake.yaml"
    }


def test_the_library_is_found_in_the_clone_without_being_installed(home, scripts):
    library = home.code / "workflow/lib/nodestage/__init__.py"
    assert {origins["nodestage"] for _, _, origins, _ in scripts} == {str(library)}
    assert not list(home.study.glob(".snakemake/conda/*/lib/*/site-packages/*nodestage*"))


def test_what_a_script_imports_comes_from_its_environment(scripts):
    """Snakemake's own packages lie behind those on the path: what is missing here would come from there."""
    rules = {script: rule for rule, script, _ in environments.jobs()}
    seen = set()
    for script, _, origins, prefix in scripts:
        for name in environments.imports(rules[script], script) & set(origins):
            assert origins[name].startswith(prefix), f"{script}: {name} from {origins[name]}"
            seen.add(name)
    assert seen >= {"SimpleITK", "torch", "nnunetv2", "radiomics", "numpy", "yaml"}


@pytest.mark.parametrize("name", ["imaging", "deep", "radiomics", "statistics"])
def test_an_environment_holds_what_any_of_its_scripts_can_import(home, name):
    jobs = [job for job in environments.jobs() if job[2] == f"{name}.yaml"]
    wanted = set().union(*(environments.imports(rule, script) for rule, script, _ in jobs))
    (prefix,) = [
        m["prefix"] for m in conda.created(home.conda) if m["text"] == FILES[f"{name}.yaml"]
    ]
    call = "import sys; from importlib.util import find_spec; "
    call += "print([name for name in sys.argv[1:] if not find_spec(name)])"
    command = [f"{prefix}/bin/python", "-c", call, *sorted(wanted)]
    assert subprocess.check_output(command, text=True, env=home.environment).strip() == "[]"


def test_a_second_run_has_nothing_to_do(home):
    made = len(conda.created(home.conda))
    assert "othing to be done" in home.part("--dry-run")
    # Nor after `git checkout` of a branch and back, which gives the code the time of now.
    for name in ("workflow", "envs", "config"):
        for path in (home.code / name).rglob("*"):
            path.touch()
    assert "othing to be done" in home.part("--dry-run")
    assert len(conda.created(home.conda)) == made


def test_without_conda_all_runs_again_unless_the_environment_is_left_out_of_account(home):
    """What docs/stages.md says; Snakemake's own rule, since it can't know that versions are the same."""
    printed = workflow.snakemake(home.study, "--dry-run", "--", *TARGETS, code=home.code)
    assert "Software environment definition has changed" in printed
    triggers = ("--rerun-triggers", "mtime", "params", "input", "code")
    assert " ".join(triggers) in (ROOT / "docs/stages.md").read_text(encoding="utf-8")
    printed = workflow.snakemake(home.study, "--dry-run", *triggers, "--", *TARGETS, code=home.code)
    assert "othing to be done" in printed


def test_the_default_study_is_planned_from_the_clone(home):
    """Without a word more than the README has; numpy, which draws its patients, is at hand."""
    printed = home.documented("--dry-run")
    assert "profiles/default" in printed and re.search(r"^all +1$", printed, re.M)
    for name in FILES.keys() - {"snakemake.yaml"}:
        assert f"Conda environment envs/{name} will be created" in printed


def test_on_one_machine_a_card_has_one_job_at_a_time_with_make_or_without(monkeypatch):
    monkeypatch.chdir(ROOT)
    for words, cards in (("--use-conda", 1), ("--use-conda --resources gpu=2", 2)):
        _, given = parse_args(["--cores", "all", *words.split()])
        assert given.resources["gpu"].value == cards
    assert '--gpus="$$GPUS"' in (ROOT / "Makefile").read_text(encoding="utf-8")


GOOD = {"channels": ["conda-forge", "nodefaults"], "dependencies": ["python=3.11", "pip=25"]}


@pytest.mark.parametrize(
    "change, fault",
    [
        ({}, None),
        ({"channels": None}, "no channels"),
        ({"dependencies": None}, "no dependencies"),
        ({"channels": ["conda-forge"]}, "nodefaults"),
        ({"channels": ["conda-forge", "defaults"]}, "nodefaults"),
        ({"channels": ["bioconda", "nodefaults"]}, "conda-forge must come first"),
        ({"dependencies": ["python=3.11", "pip"]}, "pip has no pin"),
        ({"dependencies": ["python=3.10"]}, "not the tests' Python"),
        ({"dependencies": ["pytorch=2.13"]}, "PackagesNotFoundError: pytorch"),
        ({"dependencies": [{"pip": ["numpy"]}]}, "numpy has no pin"),
        ({"dependencies": [{"pip": ["numpy==1.0"]}]}, "the tests run with"),
        ({"dependencies": [{"pip": ["no-such-thing==1.0"]}]}, "No matching distribution"),
        ({"dependencies": [{"pip": ["--no-build-isolation"]}]}, "Invalid requirement"),
    ],
)
def test_the_stand_in_refuses_a_file_that_conda_or_a_careful_reader_would(change, fault):
    spec = {key: value for key, value in (GOOD | change).items() if value}
    found = conda.faults(spec)
    assert len(found) == (fault is not None) and (fault or "") in "".join(found)
