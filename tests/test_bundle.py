"""A bundle as a hospital receives it, and the packet that carries it."""

import copy
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from study_config import CONFIG, METHOD
from study_config import study as study_of

from nodestage.cohort.sheet import COLUMNS
from nodestage.core import configs, files, tables
from nodestage.core.errors import InputError
from nodestage.exchange import bundle, packet
from nodestage.study import check
from nodestage.study.study import load

ANYBODY = ["-c", "user.name=a", "-c", "user.email=a@b"]
HOSPITAL = """\
bundle: bundle
samples: samples.tsv
centers: {here: {role: external}}
"""


def opened_study(folder, config, rows=(), **center):
    """The study of a hospital that has this bundle."""
    sheet = folder.parent / "samples.tsv"
    empty = dict.fromkeys(COLUMNS, "")
    image = folder.parent / "ct.nii.gz"
    image.write_bytes(b"x")
    other = folder.parent / "ct2.nii.gz"
    other.write_bytes(b"y")
    both = {"arterial": str(image), "venous": str(other)}
    rows = rows or [{**empty, **both, "patient": "P1", "center": "here"}]
    tables.write(sheet, rows, COLUMNS)
    mine = copy.deepcopy(config) | {
        "samples": str(sheet),
        "centers": {"here": {"role": "external", **center}},
    }
    found = bundle.opened(folder)
    mine.update(found.settings)
    return load(mine, CONFIG / "anatomy.yaml", found)


def test_a_hospital_scores_by_the_settings_of_the_bundle(frozen, config):
    theirs = study_of(config)
    changed = copy.deepcopy(config) | {"spacing_mm": [9, 9, 9], "methods": {}, "seed": 99}
    here = opened_study(frozen, changed)
    assert here.config["spacing_mm"] == config["spacing_mm"] and here.config["seed"] == 3
    anatomy = here.settings.anatomy
    assert here.methods.names == theirs.methods.names and anatomy == theirs.settings.anatomy
    assert list(anatomy["labels"]) == list(theirs.settings.anatomy["labels"])
    assert here.folds.numbers == theirs.folds.numbers and not any(here.folds.tables.values())
    assert (here.centers.discovery, here.centers.reported) == (None, ["here"])
    assert here.folds.scored(0, "here") == {"P1": "external"}
    masks = here.masks
    assert masks.organ_network == masks.tumor_network == masks.auxiliary("organs") == []
    assert "simulated patients" in here.facts.report("here")["warnings"][0]


def test_a_users_method_comes_with_the_bundle_and_is_no_path_of_the_team(frozen, config):
    manifest = files.read_json(frozen / "manifest.json")
    assert manifest["settings"]["methods"]["mine"]["file"] == "methods/mine.py"
    here = opened_study(frozen, config)
    assert Path(here.methods.user_files["mine"]) == frozen / "methods/mine.py"
    (frozen / "methods/mine.py").write_text(METHOD + "print('else')\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"methods/mine.py is not the file that was frozen"):
        bundle.opened(frozen)


def test_a_method_of_the_team_is_named_with_its_digest_before_it_runs(
    frozen, config, tmp_path, capsys
):
    digest = files.digest(frozen / "methods/mine.py")
    named = (
        rf"The method mine is code that came with the bundle .* methods/mine.py, SHA-256 {digest}"
    )
    assert bundle.main([str(frozen)]) == 0
    assert re.search(named, capsys.readouterr().out)
    (tmp_path / "config.yaml").write_text(HOSPITAL, encoding="utf-8")
    tables.write(tmp_path / "samples.tsv", [dict.fromkeys(COLUMNS, "")], COLUMNS)
    check.main(["--no-images", str(tmp_path / "config.yaml")])
    assert re.search(named, capsys.readouterr().out)
    page = opened_study(frozen, config).facts.report("here")["warnings"]
    assert any(re.search(named, sentence) for sentence in page)


@pytest.mark.parametrize("key", ["packet", "samples", "centers", "jobs", "bundle", "title", "new"])
def test_a_bundle_sets_nothing_that_is_the_hospitals(frozen, key):
    manifest = files.read_json(frozen / "manifest.json")
    manifest["settings"][key] = {}
    files.write_json(frozen / "manifest.json", manifest, sort=False)
    with pytest.raises(InputError, match=f"would set {key}, which is this"):
        bundle.opened(frozen)


def test_how_readers_rate_is_the_hospitals(frozen):
    opened = bundle.opened(frozen)
    own = opened.settings_over({"statistics": {"readers": {"positive_from": 4}, "bootstraps": 7}})
    assert own["statistics"] == opened.settings["statistics"] | {"readers": {"positive_from": 4}}
    assert opened.settings_over({})["statistics"]["readers"] is None


def test_every_key_of_a_config_is_the_hospitals_or_the_bundles():
    """A new key must be put on one side."""
    mine = {"title", "samples", "centers", "bundle", "packet", "jobs", "simulator", "chunks"}
    mine.add("weights")  # files of pretrained weights: only a training reads them
    mine.add(
        "anatomy"
    )  # a file of this hospital: a bundle holds what is in it, beside its settings
    keys = {k for name in ("config", "simulator") for k in configs.load(CONFIG / f"{name}.yaml")}
    assert keys - mine == set(bundle.MAY_SET) - set(bundle.BESIDE)


def test_a_missing_file_an_older_code_and_an_empty_folder_are_named(frozen, tmp_path):
    manifest = files.read_json(frozen / "manifest.json")
    (frozen / "fold3/fusion.pt").unlink()
    with pytest.raises(InputError, match=r"1 of 13 files are missing \(fold3/fusion.pt\)"):
        bundle.opened(frozen)
    files.write_json(frozen / "manifest.json", manifest | {"nodestage": "0.0.9"}, sort=False)
    with pytest.raises(InputError, match=r"frozen with nodestage 0.0.9"):
        bundle.opened(frozen)
    files.write_json(frozen / "manifest.json", manifest | {"sha256": {"../x.pt": "0"}}, sort=False)
    with pytest.raises(InputError, match=r"'../x.pt' is not a file of a bundle"):
        bundle.opened(frozen)
    for text in ("{", "[" * 100_000, '{"a": 1, "a": 2}', '{"nodestage": ' + "9" * 5000 + "}"):
        (frozen / "manifest.json").write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match="can't be read"):
            bundle.opened(frozen)
    for part, value in [
        ("sha256", []),
        ("code", "x"),
        ("settings", 3),
        ("settings", {"methods": []}),
    ]:
        files.write_json(frozen / "manifest.json", manifest | {part: value}, sort=False)
        with pytest.raises(InputError, match="has another form"):
            bundle.opened(frozen)
    for key in ("samples", "centers", "packet", "jobs"):
        settings = manifest["settings"] | {key: {"rows": True}}
        files.write_json(frozen / "manifest.json", manifest | {"settings": settings}, sort=False)
        with pytest.raises(InputError, match=f"would set {key}, which is this"):
            bundle.opened(frozen)
    (frozen / "manifest.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match="is not that of a bundle"):
        bundle.opened(frozen)
    with pytest.raises(InputError, match=r"there is no manifest.json"):
        bundle.opened(tmp_path)
    assert bundle.opened(None) is None


def test_the_check_from_a_terminal_finds_a_changed_model(frozen, tmp_path, capsys):
    (tmp_path / "config.yaml").write_text("bundle: bundle\n", encoding="utf-8")
    assert bundle.main(["--study", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "13 files" in said and files.digest(frozen / "manifest.json") in said
    (frozen / "tumor.pt").write_text("else", encoding="utf-8")
    assert bundle.main([str(frozen)]) == 1
    assert "tumor.pt is not the file that was frozen" in capsys.readouterr().err


def test_only_external_centers_and_masks_that_somebody_can_make(frozen, config):
    with pytest.raises(InputError, match="every center is external"):
        opened_study(frozen, config, role="discovery")
    manifest = files.read_json(frozen / "manifest.json")
    del manifest["sha256"]["tumor.pt"]
    files.write_json(frozen / "manifest.json", manifest, sort=False)
    with pytest.raises(InputError, match="center here: its tumor masks can't be predicted"):
        opened_study(frozen, config)
    given = opened_study(frozen, config, tumor={"source": "given"})
    assert given.centers.source("tumor", "here") == "given"


def test_other_code_than_the_frozen_one_stands_in_the_report(frozen):
    found = bundle.opened(frozen)
    found.compare_code({"register": "0123", "organs": "5"})
    assert len(found.warnings) == 1
    found.compare_code({"register": "4567"})
    assert "(register)" in found.warnings[-1]


def test_a_packet_holds_bundle_code_sheet_and_config(frozen, tmp_path, config):
    (frozen / "stray.txt").write_text("not of the bundle", encoding="utf-8")
    out = tmp_path / "packet"
    packet.write(frozen, out)
    there = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    assert "bundle/fold4/fusion.pt" in there and "bundle/stray.txt" not in there
    assert "nodestage/workflow/Snakefile" in there
    assert not [name for name in there if "__pycache__" in name or "/results/" in name]
    settings = yaml.safe_load((out / "study/config.yaml").read_text(encoding="utf-8"))
    assert [c["role"] for c in settings["centers"].values()] == ["external"]
    assert (out / "study" / settings["bundle"] / "manifest.json").is_file()
    assert tables.read(out / "study/samples.tsv") == []
    text = (out / "README.md").read_text(encoding="utf-8")
    assert files.digest(frozen / "manifest.json") in text and "(mine): read it" in text
    with pytest.raises(InputError, match="exists already"):
        packet.write(frozen, out)


@pytest.mark.parametrize("with_git", [True, False])
def test_a_packet_takes_nothing_that_only_lies_in_the_repository(
    frozen, tmp_path, monkeypatch, with_git, capsys
):
    clone = tmp_path / "clone"
    for name in ("workflow/rules", "workflow/lib/nodestage", "config", "docs", "profiles/default"):
        (clone / name).mkdir(parents=True)
    own = ["Makefile", "workflow/Snakefile", "workflow/rules/common.smk", "config/paper.yaml"]
    own += ["workflow/lib/nodestage/__init__.py", "docs/index.md", "profiles/default/config.yaml"]
    for name in own:
        (clone / name).write_text("own", encoding="utf-8")
    if with_git:
        for words in (["init", "-q"], ["add", "."], [*ANYBODY, "commit", "-qm", "all"]):
            subprocess.run(["git", "-C", str(clone), *words], check=True)
    scans = tmp_path / "scans"
    scans.mkdir()
    (scans / "CANARY.dcm").write_text("scan", encoding="utf-8")
    (clone / "config/samples.tsv").write_text("CANARY", encoding="utf-8")
    (clone / "config/patients.yaml").write_text("CANARY", encoding="utf-8")
    (clone / "docs/notes.txt").write_text("CANARY", encoding="utf-8")
    (clone / "docs/scans").symlink_to(scans)
    (clone / "workflow/lib/linked.py").symlink_to(scans / "CANARY.dcm")
    (clone / "config/paper.yaml").write_text("changed", encoding="utf-8")
    os.utime(clone / "Makefile", (0, 0))  # before 1980, which a zip can't hold
    monkeypatch.setattr(packet, "REPOSITORY", clone)
    for out in (tmp_path / "first.zip", tmp_path / "again.zip"):
        assert packet.main([str(frozen), str(out)]) == 0
    said = capsys.readouterr().out
    with zipfile.ZipFile(tmp_path / "first.zip") as archive:
        names = [n.partition("nodestage/")[2] for n in archive.namelist() if "nodestage/" in n]
        assert sorted(filter(None, names)) == sorted(own)
        assert not any(b"CANARY" in archive.read(name) for name in archive.namelist())
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}
    assert "Left out" in said and "config/samples.tsv" in said and "docs/scans" in said
    assert ("Changed since the last commit: config/paper.yaml" in said) is with_git


def test_a_packet_may_be_one_zip_and_is_never_made_of_a_broken_bundle(frozen, tmp_path):
    packet.write(frozen, tmp_path / "packet.zip")
    with zipfile.ZipFile(tmp_path / "packet.zip") as archive:
        assert {"packet/README.md", "packet/bundle/manifest.json"} <= set(archive.namelist())
    (frozen / "organs.pt").write_text("else", encoding="utf-8")
    with pytest.raises(InputError, match=r"organs.pt is not"):
        packet.write(frozen, tmp_path / "another")
    assert not (tmp_path / "another").exists()


def test_what_a_packet_carries_is_all_that_its_code_needs(frozen, tmp_path):
    """The code of a packet checks its own bundle, far from this repository."""
    packet.write(frozen, tmp_path / "packet")
    done = subprocess.run(
        [sys.executable, "-m", "nodestage.exchange.bundle", "../bundle"],
        cwd=tmp_path / "packet" / "nodestage",
        env={"PYTHONPATH": "workflow/lib", "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert "13 files are as they were frozen" in done.stdout, done.stderr


def test_a_packet_carries_the_model_card_and_says_so(frozen, tmp_path):
    lines = packet.write(frozen, tmp_path / "without")
    assert not any("model card" in line for line in lines)
    (frozen / "model_card.md").write_text("# Model card\n", encoding="utf-8")
    lines = packet.write(frozen, tmp_path / "with")
    assert any("model_card.md, the model card" in line for line in lines)
    assert (tmp_path / "with/bundle/model_card.md").read_text(encoding="utf-8") == "# Model card\n"
