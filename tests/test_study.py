"""The study as config and sheet describe it, and the folder that begins one."""

import copy
import dataclasses
import subprocess
import sys
from types import SimpleNamespace

import pytest
import yaml
from study_config import study, with_rows, with_tables

from nodestage.core import tables
from nodestage.core.errors import InputError
from nodestage.study import new as new_study


@pytest.mark.parametrize(
    "module", ["centers", "roster", "paths", "settings", "resources", "methods"]
)
def test_a_small_part_of_the_study_is_imported_without_the_others_and_without_torch(module):
    code = (
        f"import sys, nodestage.study.{module}; "
        "print([m for m in ('torch', 'pandas', 'jsonschema', 'nodestage.study.study', "
        "'nodestage.study.facts') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_default_study_has_the_centers_of_the_paper_and_three_folds(config):
    made = study(config)
    centers, folds = made.centers, made.folds
    assert (centers.discovery, centers.external) == ("changhai", ["shengjing", "tianjin"])
    assert len(folds) == 3  # five in config/paper.yaml
    for fold in folds:
        subsets = [folds.subset(fold, s) for s in ("train", "validation", "test")]
        assert sum(map(len, subsets)) == len(made.patients.of("changhai"))
        inner = folds.inner(fold)
        assert sorted(p for part in inner for p in part) == sorted(subsets[0])


def test_a_job_does_not_ask_for_other_patients_files(config, tmp_path, monkeypatch):
    """All files are asked for when a run begins; a scan that is lost later stops its own jobs."""
    monkeypatch.chdir(tmp_path)  # the simulated images' paths start from the working directory
    config["folds"]["folder"] = None
    rows = study(config).patients.rows.values()
    columns = [c for c in next(iter(rows)) if c not in ("annotated",)]
    tables.write(tmp_path / "samples.tsv", list(rows), columns)
    config["samples"] = str(tmp_path / "samples.tsv")
    config["centers"] = {
        name: {"role": center["role"]} for name, center in config["simulator"]["centers"].items()
    }
    with pytest.raises(InputError, match="not there"):
        study(config)
    assert study(config, files=False).patients.of("tianjin")


def test_no_network_is_trained_on_external_or_test_patients(config):
    made = study(config)
    for fold in made.folds:
        trained = set(made.folds.node_networks(fold))
        assert not trained & set(made.folds.subset(fold, "test"))
        assert not trained & {p for c in made.centers.external for p in made.patients.of(c)}
        ranges_from = set(made.folds.with_nodes(fold, "train"))
        assert not ranges_from & set(made.folds.subset(fold, "validation"))


@pytest.mark.parametrize("mask", ["organs", "tumor"])
def test_given_masks_test_no_network(config, mask):
    masks = study(config).masks
    assert set(masks.organs_tested) == set(masks.drawn("organs", "changhai", "test"))
    assert masks.tumors_tested == masks.drawn("tumor", "changhai")
    config[mask]["source"] = "given"
    changed = study(config).masks
    assert not (changed.organs_tested if mask == "organs" else changed.tumors_tested)


def test_pictures_show_test_patients_of_the_first_fold_that_has_annotated_ones(config):
    folds = study(config).folds
    fold, patients = folds.pictured
    assert (fold, patients) == (0, folds.with_nodes(0, "test")) and patients
    kept = folds.with_nodes(2, "test")

    def only_those(row):
        row["lymph_nodes"] = row["lymph_nodes"] if row["patient"] in kept else ""

    assert with_rows(config, only_those).folds.pictured == (2, kept)
    made = with_rows(config, lambda row: row.update(lymph_nodes=""))
    imaged = [p for p in made.folds.subset(0, "test") if made.patients.is_imaged(p)]
    assert made.folds.pictured == (0, imaged)


def test_a_patient_without_a_phase_goes_on_only_where_its_center_allows_it(config):
    made = study(config)
    external = [p for c in made.centers.external for p in made.patients.of(c)]
    (lacking,) = [p for p in external if len(made.patients.phases(p)) == 1]
    assert made.patients.why_not_imaged(lacking) == "arterial phase missing"
    changed = copy.deepcopy(config)
    changed["simulator"]["centers"]["shengjing"]["substitute_phase"] = True
    assert study(changed).patients.is_imaged(lacking)


def test_tables_name_the_missing_phase_also_where_the_other_is_used_for_both(config):
    config["substitute_phase"] = True
    made = study(config)
    (lacking,) = [p for p in made.patients.of("shengjing") if made.patients.phases(p) == ["venous"]]
    rows = made.facts.table_rows("shengjing")
    missing = {row["patient"]: row["missing_phase"] for row in rows}
    assert missing.pop(lacking) == "arterial" and set(missing.values()) == {""}
    assert made.patients.is_imaged(lacking)


def test_scoring_settings_are_no_part_of_what_training_depends_on(config):
    settings = study(config).settings
    training, prediction = (
        settings.training("lymph_nodes"),
        settings.prediction("lymph_nodes"),
    )
    assert "threshold" not in training and "network" not in prediction
    assert {**training, **prediction} == config["lymph_nodes"]


def test_a_new_study_is_begun_once_and_never_written_over(tmp_path, capsys):
    new_study.begin(tmp_path / "mine")
    written = yaml.safe_load((tmp_path / "mine/config.yaml").read_text(encoding="utf-8"))
    assert [c["role"] for c in written["centers"].values()] == ["discovery"]
    assert (tmp_path / "mine/preset").read_text(encoding="utf-8") == "config/paper.yaml\n"
    (tmp_path / "mine/config.yaml").write_text("mine", encoding="utf-8")
    new_study.begin(tmp_path / "mine")
    assert (tmp_path / "mine/config.yaml").read_text(encoding="utf-8") == "mine"
    assert "is kept" in capsys.readouterr().out


def test_reports_and_bundle_hold_the_digest_of_pretrained_weights_and_never_their_path(config):
    assert study(config).facts.report()["pretrained"] == "none, trained from scratch"
    weights = {"path": "/home/canary/resnet18.pth", "sha256": "ab12" * 16}
    for method in ("combined", "tumor_net"):
        settings = config["methods"][method]["settings"]
        config["methods"][method]["settings"] = settings | {"pretrained": weights}
    made = study(config)
    pretrained = made.facts.report()["pretrained"]
    assert pretrained == "tumor_net, combined: sha256 ab12ab12ab12; the others from scratch"
    frozen = made.facts.bundle_settings()
    assert frozen["methods"]["combined"]["settings"]["pretrained"]["sha256"] == "ab12" * 16
    assert "canary" not in repr(frozen) and "canary" in repr(made.methods.entries)


def test_reports_state_who_made_the_folds(config):
    facts = study(config).facts
    assert facts.report()["folds_from"] == "stratified"
    facts.settings.config["folds"] = config["folds"] | {"folder": "my_folds"}
    assert facts.report()["folds_from"] == "given"
    bundle = SimpleNamespace(warnings=[], changed=[], added={})
    assert dataclasses.replace(facts, bundle=bundle).report()["folds_from"] is None


def test_the_gallery_explains_the_declared_method_or_the_one_that_reads_most(config):
    def explained():
        method = study(config).methods.explained
        return method and (method.name, method.family)

    assert explained() == ("combined", "fusion")
    config["statistics"]["primary"]["method"] = "resnet2d"
    assert explained() == ("resnet2d", "baselines")
    config["statistics"]["primary"]["method"] = "radiomics"
    assert explained() == ("combined", "fusion")
    config["methods"]["combined"] = None
    assert explained() == ("tumor_net", "fusion")
    config["methods"]["tumor_net"] = None
    assert explained() == ("resnet2d", "baselines")
    config["methods"] |= {"resnet2d": None, "deepten": None}
    assert explained() is None


def test_a_patient_is_explained_by_the_fold_that_tests_it(config):
    made = study(config)
    folds, imaged = made.folds, made.patients.imaged("changhai")
    for patient, fold in folds.explained("changhai").items():
        assert folds.table(fold)[patient] == "test"
    assert set(folds.explained("changhai")) == set(imaged)
    assert folds.explaining("changhai") == [0, 1, 2] and folds.explaining("tianjin") == [0]
    training = with_tables(folds, {0: {p: "train" for p in imaged}})
    assert training.explained("changhai") == {}
