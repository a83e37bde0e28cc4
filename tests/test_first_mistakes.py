"""What a first-time user mistypes: each `make` answers with a sentence and the mend, never a traceback."""

from pathlib import Path

import pytest
from cohort_phantom import dicom_series
from make_study import begun, make

from nodestage.cohort import COLUMNS
from nodestage.core import configs, tables
from nodestage.core.errors import InputError

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("target", ["check", "run", "unlock", "score"])
def test_a_study_that_isnt_there(repository, target):
    code, printed = make(repository, target, "STUDY=typo")
    assert code and "There is no folder typo" in printed and "make study DIR=typo" in printed
    assert "snakemake was called" not in printed


@pytest.mark.parametrize(
    "text, words",
    [
        ("title: a\n\tsamples: samples.tsv\n", "line 2"),
        ("centers:\n\tours: {role: discovery}\n", "line 2: 'ours: {role: discovery}' can't be read. It begins with a tab"),
        ("title: Nodes: a study\n", "line 1: 'title: Nodes: a study' can't be read. A text that holds a colon"),
        ("centers: {a: {role: discovery}\n", "quotes, brackets"),
        ("just words\n", "holds no settings"),
        ("# nothing\n", "is empty"),
    ],
)  # fmt: skip
def test_a_config_that_yaml_cant_read_names_line_and_mend(tmp_path, text, words):
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        configs.read(tmp_path / "config.yaml")
    assert words in str(error.value)


@pytest.mark.parametrize("target", ["check", "run"])
def test_slips_of_the_config_stop_check_and_run_alike(repository, tmp_path, target):
    study = begun(tmp_path / "study", "title: Nodes: a study\n")
    code, printed = make(repository, target, f"STUDY={study}")
    assert code and "config.yaml, line 1" in printed and "snakemake was called" not in printed


@pytest.mark.parametrize("target", ["check", "run"])
def test_a_config_without_a_sheet_is_never_the_simulated_study(repository, tmp_path, target):
    study = begun(tmp_path / "study", "title: My study\ncenters: {ours: {role: discovery}}\n")
    code, printed = make(repository, target, f"STUDY={study}")
    assert code and "names no sample sheet. Add `samples: samples.tsv`" in printed
    assert "snakemake was called" not in printed


def test_a_simulated_study_in_a_folder_of_its_own_still_runs(repository, tmp_path):
    study = begun(tmp_path / "study", "{}\n")
    code, printed = make(repository, "run", f"STUDY={study}", "PRESET=config/larger.yaml")
    assert "snakemake was called" in printed
    code, printed = make(repository, "run", f"STUDY={study}", "PRESET=config/smaller.yaml")
    assert code and "smaller.yaml. Correct PRESET" in printed


def test_an_empty_sheet_is_no_study(repository, tmp_path):
    study = begun(tmp_path / "study", "samples: samples.tsv\ncenters: {ours: {role: discovery}}\n")
    code, printed = make(repository, "check", f"STUDY={study}")
    assert code and "no patient in the sheet. Write a row for each" in printed


def test_a_packet_of_an_unfinished_study(repository, tmp_path):
    study = begun(tmp_path / "study", "samples: samples.tsv\n")
    code, printed = make(repository, "packet", f"STUDY={study}", f"OUT={tmp_path / 'p.zip'}")
    assert code and "There is no frozen model in" in printed and "`make run`" in printed


@pytest.mark.parametrize("target", ["check", "score"])
def test_a_hospital_with_an_empty_sheet(repository, tmp_path, frozen, target):
    text = f"bundle: {frozen}\nsamples: samples.tsv\ncenters: {{here: {{role: external}}}}\n"
    study = begun(tmp_path / "study", text)
    code, printed = make(repository, target, f"STUDY={study}")
    assert code and "no patient in the sheet" in printed and "snakemake was called" not in printed
    tables.write(
        study / "samples.tsv",
        [dict.fromkeys(COLUMNS, "") | {"patient": "a", "center": "there", "venous": "a.nii.gz"}],
        COLUMNS,
    )
    code, printed = make(repository, target, f"STUDY={study}")
    assert code and "no patient belongs to the center 'here'" in printed


def test_a_hospital_whose_config_names_no_bundle(repository, tmp_path):
    study = begun(tmp_path / "study", "samples: samples.tsv\n")
    code, printed = make(repository, "score", f"STUDY={study}")
    assert code and "names no `bundle`" in printed


OWN_METHODS = """title: Mine
samples: samples.tsv
centers:
  ours: {role: discovery, label_system: {spleen: 5, liver: [5, 6]}}
methods:
  broken: {file: broken.py, needs: []}
  nameless: {file: nameless.py, needs: []}
  absent: {file: absent.py, needs: []}
"""


def test_check_finds_what_would_end_a_job_later(repository, tmp_path):
    study = begun(tmp_path / "study", OWN_METHODS, [{"patient": "P1", "center": "ours"}])
    (study / "broken.py").write_text("class Method:\n    def fit(self:\n", encoding="utf-8")
    (study / "nameless.py").write_text("raise SystemExit('was run')\n", encoding="utf-8")
    code, printed = make(repository, "check", f"STUDY={study}")
    assert code and "was run" not in printed
    for words in (
        "methods.broken: its file broken.py, line 2:",
        "methods.nameless: its file nameless.py has no class 'Method'",
        "methods.absent: its file absent.py is not there",
        "center ours, organs: label_system gives id 5 to two classes",
    ):
        assert words in printed, printed


def test_check_lists_what_intake_leaves_out(repository, tmp_path):
    folder = dicom_series(tmp_path / "images")
    (folder / "note.txt").write_text("x" * 300, encoding="utf-8")
    row = {"patient": "P1", "center": "ours", "venous": str(folder), "metastasis": "1"}
    study = begun(
        tmp_path / "study",
        OWN_METHODS.partition("methods:")[0].replace("5, liver: [5, 6]", "5"),
        [row],
    )
    printed = make(repository, "check", f"STUDY={study}")[1]
    assert "P1 venous: left out: 1 files that are not DICOM" in printed
