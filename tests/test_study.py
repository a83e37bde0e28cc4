"""The study as config and sheet describe it, and the folder that begins one."""

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from nodestage.core import tables
from nodestage.core.errors import InputError
from nodestage.study import Study
from nodestage.study import new as new_study

CONFIG = Path(__file__).parents[1] / "config"


@pytest.fixture
def config():
    text = [
        (CONFIG / name).read_text(encoding="utf-8") for name in ("config.yaml", "simulator.yaml")
    ]
    return yaml.safe_load(text[0]) | yaml.safe_load(text[1])


def study(config, **how):
    return Study.from_config(config, CONFIG / "anatomy.yaml", **how)


def test_the_default_study_has_the_centers_and_folds_of_the_paper(config):
    found = study(config)
    assert (found.discovery, found.external) == ("changhai", ["shengjing", "tianjin"])
    assert len(found.folds) == 5
    for fold in found.folds:
        subsets = [found.subset(fold, s) for s in ("train", "validation", "test")]
        assert sum(map(len, subsets)) == len(found.of("changhai"))
        inner = found.inner(fold)
        assert sorted(p for part in inner for p in part) == sorted(subsets[0])


def test_a_job_does_not_ask_for_other_patients_files(config, tmp_path, monkeypatch):
    """What all files are asked for is the run's beginning; a scan that is lost later stops its own jobs."""
    monkeypatch.chdir(tmp_path)  # the simulated images' paths start from the working directory
    config["folds"]["folder"] = None
    rows = study(config).rows.values()
    columns = [c for c in next(iter(rows)) if c not in ("annotated",)]
    tables.write(tmp_path / "samples.tsv", list(rows), columns)
    config["samples"] = str(tmp_path / "samples.tsv")
    config["centers"] = {
        name: {"role": center["role"]} for name, center in config["simulator"]["centers"].items()
    }
    with pytest.raises(InputError, match="not there"):
        study(config)
    assert study(config, files=False).of("tianjin")


def test_no_external_or_test_patient_is_learned_from(config):
    found = study(config)
    for fold in found.folds:
        learned = set(found.learned_from(fold))
        assert not learned & set(found.subset(fold, "test"))
        assert not learned & {p for c in found.external for p in found.of(c)}
        assert not set(found.node_trainers(fold)) & set(found.subset(fold, "validation"))


@pytest.mark.parametrize("what", ["organs", "tumor"])
def test_given_masks_test_no_network(config, what):
    found = study(config)
    assert set(found.organs_tested) == set(found.annotated("organs", "changhai", "test"))
    assert found.tumors_tested == found.annotated("tumor", "changhai")
    config[what]["source"] = "given"
    changed = study(config)
    assert not (changed.organs_tested if what == "organs" else changed.tumors_tested)


def test_pictures_show_test_patients_of_the_first_fold_that_has_annotated_ones(config):
    found = study(config)
    fold, patients = found.pictured
    assert (fold, patients) == (0, found.tested(0)) and patients
    kept = found.tested(2)
    for code, row in found.rows.items():
        row["lymph_nodes"] = row["lymph_nodes"] if code in kept else ""
    del found.pictured
    assert found.pictured == (2, kept)
    for row in found.rows.values():
        row["lymph_nodes"] = ""
    del found.pictured
    assert found.pictured == (0, [p for p in found.subset(0, "test") if found.is_imaged(p)])


def test_a_patient_without_a_phase_goes_on_only_where_its_center_allows_it(config):
    found = study(config)
    (lacking,) = [p for c in found.external for p in found.of(c) if len(found.phases(p)) == 1]
    assert found.why_not_imaged(lacking) == "arterial phase missing"
    changed = copy.deepcopy(config)
    changed["simulator"]["centers"]["shengjing"]["substitute_phase"] = True
    assert study(changed).is_imaged(lacking)


def test_tables_know_who_lacks_a_phase_also_where_the_other_stands_in(config):
    config["substitute_phase"] = True
    told = study(config)
    (lacking,) = [p for p in told.of("shengjing") if told.phases(p) == ["venous"]]
    found = {row["patient"]: row["missing_phase"] for row in told.table_rows("shengjing")}
    assert found.pop(lacking) == "arterial" and set(found.values()) == {""}
    assert told.is_imaged(lacking)


def test_scoring_settings_are_no_part_of_what_training_depends_on(config):
    found = study(config)
    assert "threshold" not in found.learning("lymph_nodes")
    assert "network" not in found.scoring("lymph_nodes")
    assert {**found.learning("lymph_nodes"), **found.scoring("lymph_nodes")} == config[
        "lymph_nodes"
    ]


def test_a_new_study_is_begun_once_and_never_written_over(tmp_path, capsys):
    new_study.begin(tmp_path / "mine")
    written = yaml.safe_load((tmp_path / "mine/config.yaml").read_text(encoding="utf-8"))
    assert [c["role"] for c in written["centers"].values()] == ["discovery"]
    assert (tmp_path / "mine/preset").read_text(encoding="utf-8") == "config/paper.yaml\n"
    (tmp_path / "mine/config.yaml").write_text("mine", encoding="utf-8")
    new_study.begin(tmp_path / "mine")
    assert (tmp_path / "mine/config.yaml").read_text(encoding="utf-8") == "mine"
    assert "stays as it is" in capsys.readouterr().out


def test_reports_and_bundle_tell_the_digest_of_pretrained_weights_and_never_their_path(config):
    assert study(config).facts()["pretrained"] == "none, trained from scratch"
    weights = {"path": "/home/canary/resnet18.pth", "sha256": "ab12" * 16}
    for method in ("combined", "tumor_net"):
        own = config["methods"][method]["settings"]
        config["methods"][method]["settings"] = own | {"pretrained": weights}
    found = study(config)
    told = found.facts()["pretrained"]
    assert told == "tumor_net, combined: sha256 ab12ab12ab12; the others from scratch"
    frozen = found.frozen_settings()
    assert frozen["methods"]["combined"]["settings"]["pretrained"]["sha256"] == "ab12" * 16
    assert "canary" not in repr(frozen) and "canary" in repr(found.method_settings)


def test_reports_know_who_made_the_folds(config):
    found = study(config)
    assert found.facts()["folds_from"] == "stratified"
    found.config["folds"] = found.config["folds"] | {"folder": "my_folds"}
    assert found.facts()["folds_from"] == "given"
    found.frozen = SimpleNamespace(warnings=[], changed=[])
    assert found.facts()["folds_from"] is None


def test_the_gallery_explains_the_declared_method_or_the_first_network_over_slices(config):
    assert study(config).explained == ("combined", "fusion")
    config["statistics"]["primary"]["method"] = "resnet2d"
    assert study(config).explained == ("resnet2d", "baselines")
    config["statistics"]["primary"]["method"] = "radiomics"
    config["methods"] |= {"combined": None, "tumor_net": None}
    assert study(config).explained == ("resnet2d", "baselines")
    config["methods"] |= {"resnet2d": None, "deepten": None}
    assert study(config).explained == ()


def test_a_patient_is_explained_by_the_fold_that_tests_it(config):
    found = study(config)
    for patient, fold in found.spoken_for("changhai").items():
        assert found.fold(fold)[patient] == "test"
    assert set(found.spoken_for("changhai")) == set(found.imaged("changhai"))
    assert found.speaking("changhai") == [0, 1, 2, 3, 4] and found.speaking("tianjin") == [0]
    found.folds = {0: {p: "train" for p in found.imaged("changhai")}}
    assert found.spoken_for("changhai") == {}
