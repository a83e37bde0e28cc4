"""The rehearsal of a full-size study: its settings, and what each stage took."""

from pathlib import Path

import pytest
import yaml

from nodestage.core import configs
from nodestage.report import costs
from nodestage.study import check, rehearsal
from nodestage.study.resources import ON_GPU

ROOT = Path(__file__).parents[1]
PAPER = configs.read(ROOT / "config/paper.yaml")
FULL = rehearsal.settings(gpu=True)


def leaves(settings, path=()):
    """{path: value} of nested settings."""
    if not isinstance(settings, dict):
        return {path: settings}
    return {k: v for key, below in settings.items() for k, v in leaves(below, (*path, key)).items()}


def test_at_full_size_only_patients_folds_and_lengths_differ_from_the_paper():
    changed = {path for path in leaves(FULL) if path[0] != "simulator"}
    lengths = ("epochs", "iterations_per_epoch", "validation_iterations", "steps", "checks")
    assert {path for path in changed if path[-1] not in lengths} == {
        ("title",), ("samples",), ("folds", "n"), ("jobs", "simulate", "mem_mb"), ("jobs", "simulate", "runtime"),
    }  # fmt: skip
    assert FULL["simulator"]["spacing"] == PAPER["spacing_mm"]
    assert FULL["simulator"]["grid"] == [200, 512, 512]
    for section, name in rehearsal.NETWORKS:
        network = FULL[section][name]
        assert network["epochs"] * network["iterations_per_epoch"] <= 2


def test_every_trained_method_of_the_paper_is_cut_short():
    trained = {m for m, entry in PAPER["methods"].items() if entry and "steps" in entry["settings"]}
    assert set(FULL["methods"]) == trained
    assert all(entry["settings"]["steps"] <= 2 for entry in FULL["methods"].values())


def test_a_coarser_rehearsal_has_as_many_windows_of_smaller_size():
    coarse = rehearsal.settings(5, gpu=False)
    assert coarse["simulator"]["grid"] == [40, 104, 104]
    assert coarse["spacing_mm"] == coarse["simulator"]["spacing"] == [4.0, 3.4, 3.4]
    assert coarse["lymph_nodes"]["network"]["patch_size"] == [16, 32, 32]
    assert coarse["identification"]["crop"] == [16, 16, 16]
    alone = rehearsal.settings(1, gpu=False)["lymph_nodes"]["network"]
    assert "patch_size" not in alone and alone["features"] == rehearsal.NARROW
    assert coarse["jobs"] == FULL["jobs"] | {kind: {"gpu": 0} for kind in ON_GPU}
    assert coarse["tumor"]["network"]["compile"] is False
    assert rehearsal.settings(5, gpu=True)["jobs"] == FULL["jobs"]
    assert rehearsal.settings(1, gpu=True) == FULL == configs.read(rehearsal.SETTINGS)


def test_a_rehearsal_is_a_study_that_passes_its_check_and_goes_on(tmp_path, capsys):
    study = tmp_path / "r"
    assert rehearsal.main([str(study), "--coarser", "5"]) == 0
    assert (study / "preset").read_text() == "config/paper.yaml\n"
    assert check.main([str(study / "config.yaml"), "--preset", "", "--no-images"]) == 0
    assert rehearsal.main([str(study), "--coarser", "5"]) == 0
    assert rehearsal.main([str(study), "--coarser", "4"]) == 1
    assert "holds other settings than this rehearsal's" in capsys.readouterr().err
    assert rehearsal.main([str(tmp_path / "s"), "--coarser", "0"]) == 1
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    "centers, words",
    [
        ({"changhai": {"patients": 30}}, ""),
        ({"elsewhere": {"patients": 30}}, "'role' and 'code' are missing"),
        ({"changhai": {"patients": "many"}}, "simulator.centers.changhai.patients"),
        ([], "simulator.centers"),
    ],
)
def test_a_study_may_change_one_number_of_one_simulated_center(tmp_path, capsys, centers, words):
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"samples": None, "simulator": {"centers": centers}}))
    assert check.main([str(config), "--preset", "", "--no-images"]) == bool(words)
    assert words in capsys.readouterr().err


# What each stage took

LOG = """\
[Mon Nov 30 19:07:30 2026]
localrule register:
    input: results/cohort/A1/venous.nii.gz
    output: results/registration/A1/venous.nii.gz
    jobid: 7
    benchmark: logs/benchmarks/registration/A1.tsv
    wildcards: patient=A1
    resources: tmpdir=/tmp, runtime=30, short=1, mem_mb=2000, mem=2 GB
[Mon Nov 30 19:07:31 2026]
rule register:
    benchmark: logs/benchmarks/registration/A2.tsv
    wildcards: patient=A2
    resources: tmpdir=/tmp, runtime=60, mem_mb=4000
[Mon Nov 30 19:07:32 2026]
rule organs_student:
    benchmark: logs/benchmarks/organs/student.tsv
    resources: tmpdir=/tmp, mem_mb=1000
rule never_ended:
    benchmark: logs/benchmarks/none.tsv
    resources: tmpdir=/tmp
localrule all:
    resources: tmpdir=/tmp
"""


@pytest.fixture
def study(tmp_path):
    log = tmp_path / ".snakemake/log/2026-11-30T190000.snakemake.log"
    log.parent.mkdir(parents=True)
    log.write_text(LOG)
    measured = {"registration/A1": "4.0\t3.0\t380", "registration/A2": "6.0\t5.0\t-"}
    for name, row in (measured | {"organs/student": "120.0\t200.0\t1500"}).items():
        path = tmp_path / f"logs/benchmarks/{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\tcpu_time\tmax_rss\n{row}\n")
    (tmp_path / "results/organs").mkdir(parents=True)
    (tmp_path / "results/organs/model.pt").write_bytes(bytes(2_000_000))
    (tmp_path / "results/organs/again.pt").symlink_to("model.pt")
    return tmp_path


def test_costs_are_those_of_the_jobs_that_ended(study):
    register, student = costs.of(study)
    assert (register.rule, register.seconds, register.cpu_seconds) == ("register", [4, 6], [3, 5])
    assert (register.peak_mb, register.asked_mb, register.per_patient) == ([380, 0], 4000, True)
    assert (student.rule, student.per_patient) == ("organs_student", False)
    assert costs.disk_mb(study) == {"organs": 2.0}


def test_the_table_marks_more_memory_than_asked_for_and_counts_only_jobs_per_patient_on(study):
    lines = costs.text(study, patients=900).splitlines()
    assert lines[2] == "| register | 2 | 5.0 | 6.0 | 8 | 380 | 4000 | 1.0 |"
    assert lines[3] == "| organs_student | 1 | 120.0 | 120.0 | 200 | **1500** | 1000 | – |"
    assert lines[-1] == "| organs | 2 |"
    assert "900 patients" not in costs.text(study)


def test_costs_go_to_a_file_or_the_terminal(study, capsys, tmp_path):
    assert costs.main([str(study)]) == 0 and "| register | 2 |" in capsys.readouterr().out
    assert costs.main([str(study), "--output", str(study / "costs.md")]) == 0
    assert "| register | 2 |" in (study / "costs.md").read_text()
    (tmp_path / "empty").mkdir()
    assert costs.main([str(tmp_path / "empty")]) == 1
    assert "no run was logged" in capsys.readouterr().err
