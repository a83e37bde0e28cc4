"""Published weights: fetched once, checked, given to the networks that are for them, never packed."""

import copy
import hashlib
import pickle
from pathlib import Path

import pytest
import torch
from study_config import study as study_of

from nodestage.core import files
from nodestage.core.errors import InputError
from nodestage.exchange import packet
from nodestage.methods import registry
from nodestage.methods.fusion import published, weights
from nodestage.methods.fusion.deep import DeepMethod
from nodestage.methods.fusion.resnet import ResNet18
from nodestage.study import fetch, pretraining, sizes


def a_file(path, dimensions=2, width=64):
    """Random weights with the keys of the published ones; the SHA-256 of the file."""
    state = ResNet18(dimensions, width).state_dict()
    state = {key: value for key, value in state.items() if not key.startswith("mask_branch")}
    state |= {"fc.weight": torch.zeros(10, 8 * width), "fc.bias": torch.zeros(10)}
    torch.save({"state_dict": state}, path)
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of `make weights`, empty, with small stand-ins behind the addresses."""
    folder = tmp_path / "weights"
    folder.mkdir()
    away = tmp_path / "away"
    away.mkdir()
    stand_ins = {}
    for part, one in published.known().items():
        digest = a_file(away / one.file, one.dimensions)
        stand_ins[part] = published.Published(
            part, one.what, one.file, (away / one.file).as_uri(), one.page,
            one.sha256 and digest, one.terms,
        )  # fmt: skip
    monkeypatch.setattr(published, "FOLDER", folder)
    monkeypatch.setattr(published, "known", lambda: stand_ins)
    return folder


def full_size(config, **chosen):
    """The study's config with networks of the paper's width."""
    wide = copy.deepcopy(config)
    for entry in wide["methods"].values():
        if entry and "width" in (entry.get("settings") or {}):
            entry["settings"]["width"] = 64
    return wide | {"weights": {"slices": None, "crop": None} | chosen}


def pretrained(config):
    """{method: its weights} of a config."""
    return {
        name: entry["settings"]["pretrained"]
        for name, entry in config["methods"].items()
        if entry and "pretrained" in (entry.get("settings") or {})
    }


def test_the_published_addresses_are_those_of_their_authors():
    slices, crop = published.known()["slices"], published.known()["crop"]
    assert slices.address == f"https://download.pytorch.org/models/{slices.file}"
    # torchvision writes the first digits of the digest into the name.
    assert slices.file == f"resnet18-{slices.sha256[:8]}.pth" and len(slices.sha256) == 64
    assert crop.file == "r3d18_KM_200ep.pth" and crop.sha256 is None
    assert (slices.dimensions, crop.dimensions) == (2, 3)


def test_each_network_of_nodestage_has_weights_of_its_kind():
    kinds = {"slices": set(), "crop": set()}
    for name in registry.built_in():
        method = registry.load(name)
        if issubclass(method, DeepMethod):
            kinds["crop" if method.dimensions == 3 else "slices"].add(name)
    assert {part: set(names) for part, names in pretraining.METHODS.items()} == kinds


def test_without_weights_the_config_stays_as_it_is(config):
    assert config["weights"] == {"slices": None, "crop": None}
    assert pretraining.applied(config) == config and pretraining.missing(config) == []


def test_make_weights_fetches_checks_and_records_once(folder, config, capsys):
    assert fetch.main([f"--folder={folder}"]) == 0
    printed = capsys.readouterr().out
    digests = published.fetched()
    assert set(digests) == {"resnet18-f37072fd.pth", "r3d18_KM_200ep.pth"}
    assert all(digest in printed for digest in digests.values()) and "BSD" in printed
    wide = full_size(config, slices="published", crop="published")
    study = study_of(wide)
    found = pretrained(study.config)
    assert set(found) == {name for names in pretraining.METHODS.values() for name in names}
    assert found["combined"] == {
        "path": "published:resnet18-f37072fd.pth", "sha256": digests["resnet18-f37072fd.pth"],
    }  # fmt: skip
    assert weights.load(ResNet18(3), found["resnet3d"]).startswith("pretrained, sha256")
    facts = study.facts.report()
    assert "resnet3d: sha256" in facts["pretrained"] and facts["warnings"] == []
    # No fetch of what is there, even without a network.
    for one in published.known().values():
        Path(one.address.removeprefix("file://")).unlink()
    assert fetch.main([f"--folder={folder}"]) == 0


def test_missing_files_are_a_loud_notice_and_the_networks_start_from_scratch(folder, config):
    wide = full_size(config, slices="published", crop="published")
    study = study_of(wide)
    assert pretrained(study.config) == {}
    (notice,) = study.facts.report()["warnings"]
    assert notice.startswith("Below the paper: networks from scratch.")
    assert "resnet18-f37072fd.pth (ImageNet)" in notice and "Run `make weights`" in notice
    # Nobody is told of weights for networks that are off, or that have their own.
    own = {"path": "w.pth", "sha256": "ab" * 32}
    wide["methods"]["resnet3d"] = None
    for name in pretraining.METHODS["slices"]:
        wide["methods"][name]["settings"]["pretrained"] = own
    assert pretraining.missing(wide) == []


def test_below_the_paper_names_the_networks_from_scratch(config):
    full = full_size(config, slices="published", crop="published")
    on = {name: entry for name, entry in full["methods"].items() if entry}
    some = sizes.smaller(full, on, full)
    assert "resnet3d: from scratch (from weights of Kinetics-700 and Moments in Time)" in some
    on["resnet3d"]["settings"]["pretrained"] = {"path": "", "sha256": "ab" * 32}  # a bundle's
    assert not [words for words in sizes.smaller(full, on, full) if words.startswith("resnet3d")]


def test_by_hand_is_told_in_words_where_there_is_no_network(folder, capsys):
    for one in published.known().values():
        Path(one.address.removeprefix("file://")).unlink()
    assert fetch.main([f"--folder={folder}"]) == 1
    told = capsys.readouterr().err
    for one in published.known().values():
        assert one.page in told and f"save the file as {folder}/{one.file}" in told
    assert published.fetched() == {} and [p.name for p in folder.iterdir()] == [published.RECORD]


def test_another_file_than_the_published_one_is_refused(folder, capsys):
    slices, crop = published.known()["slices"], published.known()["crop"]
    (folder / slices.file).write_bytes(b"<html>quota exceeded</html>")
    a_file(folder / crop.file, dimensions=2)
    assert fetch.main([f"--folder={folder}"]) == 1
    told = capsys.readouterr().err
    assert f"published is {slices.sha256}" in told
    assert f"{crop.file} is another file: the pretrained weights are not those" in told
    (folder / crop.file).write_bytes(b"<html>sign in</html>")
    fetch.main([f"--folder={folder}"])
    assert "is another file: the file of pretrained weights holds something else" in (
        capsys.readouterr().err
    )


def test_any_file_with_the_same_keys_will_do(tmp_path, config):
    digest = a_file(tmp_path / "mine.pth")
    wide = full_size(config, slices={"path": str(tmp_path / "mine.pth"), "sha256": digest})
    pretraining.check(wide)
    found = pretrained(pretraining.applied(wide))
    assert set(found) == set(pretraining.METHODS["slices"])
    assert weights.load(ResNet18(), found["deepten"]) == f"pretrained, sha256 {digest[:12]}"
    # A method's own weights go before the section's, and the path is relative to the study.
    wide["methods"]["deepten"]["settings"]["pretrained"] = {"path": "other", "sha256": "0" * 64}
    assert pretrained(pretraining.applied(wide))["deepten"]["path"] == "other"
    wide["weights"]["slices"]["path"] = "mine.pth"
    pretraining.check(wide, tmp_path)
    with pytest.raises(InputError, match=r"weights.slices: its file is missing"):
        pretraining.check(wide, tmp_path / "elsewhere")


def test_a_narrow_network_and_weights_are_an_error_in_words(config):
    given = config | {"weights": {"slices": {"path": "w", "sha256": "0" * 64}, "crop": None}}
    with pytest.raises(InputError, match=r"resnet2d: its network has a `width` of 16.*for 64"):
        study_of(given)


class Harmful:
    def __reduce__(self):
        return Path.touch, (Path("harmed"),)


def test_code_in_a_file_of_weights_is_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for save in (torch.save, lambda value, path: Path(path).write_bytes(pickle.dumps(value))):
        save({"state_dict": Harmful()}, "w.pth")
        digest = hashlib.sha256(Path("w.pth").read_bytes()).hexdigest()
        with pytest.raises(InputError, match="No code in it was run"):
            weights.load(ResNet18(), {"path": "w.pth", "sha256": digest})
    assert not Path("harmed").exists()


@pytest.mark.parametrize("value", [[torch.zeros(1)], {"epoch": 3}, {}])
def test_a_file_without_a_state_dict_is_named(tmp_path, value):
    path = tmp_path / "w.pth"
    torch.save(value, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(InputError, match="no state dict"):
        weights.load(ResNet18(), {"path": str(path), "sha256": digest})


def test_a_packet_names_the_terms_of_weights_and_carries_none(frozen, tmp_path):
    manifest = files.read_json(frozen / "manifest.json")
    digest = published.known()["slices"].sha256
    methods = manifest["settings"]["methods"]
    methods["combined"]["settings"]["pretrained"] = {"path": "", "sha256": digest}
    methods["deepten"]["settings"]["pretrained"] = {"path": "", "sha256": "cd" * 32}
    files.write_json(frozen / "manifest.json", manifest, sort=False)
    packet.write(frozen, tmp_path / "packet")
    text = (tmp_path / "packet/README.md").read_text(encoding="utf-8")
    assert "are not in this packet" in text and "learned from ImageNet-1k" in text
    assert f"the file with SHA-256 {'cd' * 6}, which the team must name" in text
    assert not [p for p in (tmp_path / "packet").rglob("*.pth")]
