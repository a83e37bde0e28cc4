"""What is typed after `make`, and what a study's file `preset` holds, never reaches a shell."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from make_study import begun, make
from snakemake.cli import parse_args, parse_config

from nodestage.core.errors import InputError
from nodestage.study import check, preset, run

ROOT = Path(__file__).parents[1]
ATTACKS = [
    'x"; touch {canary}; "',
    "$(touch {canary})",
    "`touch {canary}`",
    "$(shell touch {canary})",
    "'; touch {canary}; '",
    "config/paper.yaml; touch {canary}",
]
NAMES = [
    "hospital Müller",
    "O'Neil clone (é)",
    'the "first"',
    "cost $5 $HOME $(HOME)",
    "back`tick`",
    "semi;colon & more",
    "hash # 1",
    "-x",
    "100 %",
    "a: b",
]


@pytest.mark.parametrize("target", ["check", "run", "quality"])
@pytest.mark.parametrize("text", ATTACKS)
def test_a_line_of_the_file_preset_is_a_path_and_never_a_command(
    repository, tmp_path, target, text
):  # fmt: skip
    canary = tmp_path / "canary"
    study = begun(tmp_path / "study", "samples: samples.tsv\ncenters: {a: {role: discovery}}\n")
    (study / "preset").write_text(text.format(canary=canary) + "\n", encoding="utf-8")
    code, printed = make(repository, target, f"STUDY={study}")
    assert code and f"{study}/preset names" in printed and "Write one line" in printed
    assert "snakemake was called" not in printed and not canary.exists()


@pytest.mark.parametrize(
    "content, words",
    [
        (b"config/none.yaml", "names 'config/none.yaml', which is not a file of settings"),
        (b"README.md", "is not a file of settings"),
        (b"tests/small.yaml", "is not a file of settings"),  # outside config/
        (b"config/../tests/small.yaml", "is not a file of settings"),
        (b"config", "is not a file of settings"),
        (b"config/paper.yaml\nconfig/larger.yaml", "more than one line"),
        (b"\xff\xfe", "not UTF-8"),
        (b"x\0y", "is not a file of settings"),
        (b"\x1b[2Jx", r"names '\x1b[2Jx'"),  # a terminal's own command is spelled out
        (b"x" * 5000, "more than one line"),
        (b"x" * 4000, "xxx...', which"),
    ],
)
def test_a_file_preset_that_names_no_settings_is_refused_in_a_sentence(tmp_path, content, words):
    (tmp_path / "preset").write_bytes(content)
    with pytest.raises(InputError) as error:
        preset.chosen(tmp_path)
    assert words in str(error.value)


def test_a_preset_is_a_file_of_config_or_an_absolute_path(tmp_path):
    assert preset.chosen(tmp_path) == ROOT / "config/paper.yaml"
    (tmp_path / "preset").write_text("config/larger.yaml\n", encoding="utf-8")
    assert preset.chosen(tmp_path) == ROOT / "config/larger.yaml"
    assert preset.chosen(tmp_path, "config/config.yaml") == ROOT / "config/config.yaml"
    mine = tmp_path / "my own.yaml"
    mine.write_text("{}", encoding="utf-8")
    (tmp_path / "preset").write_text(f"{mine}\n", encoding="utf-8")
    assert preset.chosen(tmp_path) == mine


def test_check_lays_the_remembered_preset_under_the_study(tmp_path, capsys):
    """An empty PRESET is the file's; a fault of the preset itself is told."""
    study = begun(tmp_path / "study", "samples: samples.tsv\ncenters: {a: {role: discovery}}\n")
    own = tmp_path / "own.yaml"
    own.write_text("just words", encoding="utf-8")
    (study / "preset").write_text(str(own), encoding="utf-8")
    assert check.main([str(study / "config.yaml"), "--preset=", "--no-images"]) == 1
    assert "own.yaml holds no settings" in capsys.readouterr().err


@pytest.mark.parametrize("name", NAMES)
def test_a_study_may_have_any_name_that_a_folder_has(repository, tmp_path, name):
    study = tmp_path / name
    make_arguments = (f"DIR={study}", "PRESET=config/larger.yaml")
    code, printed = make(repository, "study", *make_arguments)
    assert code == 0 and (study / "samples.tsv").is_file(), printed
    found = yaml.safe_load((study / "config.yaml").read_text(encoding="utf-8"))
    assert found["title"] == name
    code, printed = make(repository, "quality", f"STUDY={study}", "ARGS=--dry-run 'a b'")
    calls = [shlex.split(x) for x in printed.splitlines() if x.startswith("snakemake --snakefile")]
    assert code == 0 and len(calls) == 2
    layers = [str(ROOT / "config/larger.yaml"), f"{study}/config.yaml"]
    for words, target in zip(calls, ("first_looks", "qualities"), strict=True):
        tail = ["--directory", str(study), "--configfile", *layers, "--", target]
        assert words[-len(tail) :] == tail and words[-len(tail) - 2 : -len(tail)] == [
            "--dry-run",
            "a b",
        ]
    code, printed = make(repository, "check", f"STUDY={study}")
    assert "no patient in the sheet" in printed


def test_a_name_relative_to_the_repository_that_looks_like_an_option(repository):
    code, printed = make(repository, "study", "DIR=-y")
    assert code == 0 and (repository / "-y/config.yaml").is_file(), printed
    code, printed = make(repository, "run", "STUDY=-y")
    assert code and "no patient in the sheet" in printed
    shutil.rmtree(repository / "-y")


@pytest.mark.parametrize("name", ["study {1}", "{x}", "two\nlines"])
def test_a_name_that_snakemake_cant_take_is_refused_in_a_sentence(
    repository, tmp_path, name
):  # fmt: skip
    code, printed = make(repository, "study", f"DIR={tmp_path / name}")
    assert code and "Rename it." in printed and not (tmp_path / name).exists()
    begun(tmp_path / name, "{}\n")
    for target in ("run", "check", "quality", "unlock"):
        code, printed = make(repository, target, f"STUDY={tmp_path / name}")
        assert code and "Rename it." in printed and "snakemake was called" not in printed


def test_a_study_where_a_file_lies(repository, tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("mine", encoding="utf-8")
    for place in (file, file / "study"):
        code, printed = make(repository, "study", f"DIR={place}")
        assert code and f"{file} is a file. Name another folder in DIR." in " ".join(
            printed.split()
        ), printed
    assert file.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", NAMES)
def test_packet_and_bundle_may_lie_anywhere(repository, tmp_path, frozen, name):
    bundle = tmp_path / name / "results/bundle"
    shutil.copytree(frozen, bundle)
    code, printed = make(repository, "bundle", f"BUNDLE={bundle}")
    assert code == 0 and "files are as they were frozen" in printed, printed
    out = tmp_path / f"{name}.zip"
    code, printed = make(repository, "packet", f"STUDY={tmp_path / name}", f"OUT={out}")
    assert code == 0 and out.is_file(), printed


def test_scans_and_study_of_predict_and_export_are_never_a_command(repository, tmp_path, frozen):
    name = 'O\'Neil; $5 $(HOME) `tick` "x" & é'
    words = [f"CT={tmp_path / name}", f"BUNDLE={frozen}", f"OUT={tmp_path / name} out"]
    code, printed = make(repository, "predict", *words)
    assert code and f"CT: there is nothing at {tmp_path / name}." in printed, printed
    code, printed = make(repository, "predict", f"venous={tmp_path / name}", *words[1:])
    assert code and "The arterial phase is missing" in printed, printed
    study = begun(tmp_path / name, f"bundle: {frozen}\nsamples: samples.tsv\n")
    arguments = (f"STUDY={study}", "FORMAT=seg", "PATIENT=P1", "ARGS=--dry-run")
    code, printed = make(repository, "export", *arguments)
    (call,) = [
        shlex.split(x) for x in printed.splitlines() if x.startswith("snakemake --snakefile")
    ]
    assert call[-1] == "export/P1/seg" and "--dry-run" in call
    assert code and "no patient in the sheet" in printed  # said by Snakemake itself
    assert call[call.index("--configfile") + 1] == f"{study}/config.yaml"  # no preset
    code, printed = make(repository, "export", f"STUDY={study}", "FORMAT=pdf")
    assert code and "invalid choice: 'pdf'" in printed


@pytest.mark.parametrize("name", [*NAMES, "bundle", "12", 'a: "b" #c', "[x]", "'q'"])
def test_another_bundle_reaches_snakemake_as_text(tmp_path, name):
    given = SimpleNamespace(
        study=str(tmp_path), preset="", score=True, bundle=str(tmp_path / name), cores="2",
        gpus="1", memory="", more="", unlock=False, targets=[],
    )  # fmt: skip
    words = run.words(given)
    _, read = parse_args(words[1:])
    assert parse_config(read.config) == {"bundle": str(tmp_path / name)}
    assert read.configfile == [tmp_path / "config.yaml"]
    assert read.directory == tmp_path


def test_arguments_with_an_open_quote_are_named(repository):
    code, printed = make(repository, "run", "ARGS=--until 'x")
    assert code and "ARGS can't be read" in printed


def test_the_lock_of_a_killed_run_names_the_command_that_removes_it(tmp_path, monkeypatch, capsys):
    def refused(command):
        return SimpleNamespace(returncode=1)

    monkeypatch.setattr(subprocess, "run", refused)
    study = tmp_path / "my study"
    (study / ".snakemake/locks").mkdir(parents=True)
    assert run.main([f"--study={study}"]) == 1
    assert "unlock" not in capsys.readouterr().err
    (study / ".snakemake/locks/0.output.lock").touch()
    assert run.main([f"--study={study}"]) == 1
    assert f"`make unlock STUDY='{study}'`" in capsys.readouterr().err
    monkeypatch.chdir(study)
    assert run.main([]) == 1
    assert "`make unlock`" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a b", "O'Neil", 'a"b', "a$b", "a{b}", "a:b", "a(b)", "a\\b"])
def test_a_clone_that_snakemake_cant_run_in_is_named_before_set_up(tmp_path, name):
    code, printed = _set_up(tmp_path / name)
    assert code and f"This clone lies in {tmp_path / name}." in printed
    assert "-m venv" not in printed


@pytest.mark.parametrize("name", ["müller", "a-b_c.1", "a,b=c"])
def test_other_clones_are_set_up(tmp_path, name):
    code, printed = _set_up(tmp_path / name)
    assert code and "This clone" not in printed and "/bin/false -m venv .venv" in printed


COMMANDS = re.search(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text("utf-8"), re.M)[1].split()


@pytest.mark.parametrize("command", sorted({*COMMANDS} - {"help", "clean"}))
def test_every_command_refuses_a_clone_that_was_moved_there_after_its_set_up(tmp_path, command):
    folder = tmp_path / "O'Neil and sons"
    python = folder / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\ntouch '{tmp_path}/canary'\n")
    python.chmod(0o755)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    (folder / ".venv/ready").touch()
    done = subprocess.run(["make", command, "STUDY=x"], cwd=folder, capture_output=True, text=True)
    assert done.returncode and f"This clone lies in {folder}." in done.stdout
    assert not (tmp_path / "canary").exists()


def _set_up(folder):
    """What `make .venv/ready` says in a clone there; its Python makes nothing."""
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    done = subprocess.run(
        ["make", ".venv/ready", "PYTHON=/bin/false"], cwd=folder, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr
