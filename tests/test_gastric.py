"""A second cancer by config alone: gastric cancer in one phase, up to its reports."""

import json

import numpy as np
import pytest
import workflow_study as workflow
import yaml
from study_config import CONFIG, default_config, laid

from nodestage import simulator
from nodestage.core import tables
from nodestage.core.errors import InputError
from nodestage.simulator import cancers, tissue
from nodestage.study import anatomy, schema
from nodestage.study.settings import simulated
from nodestage.study.study import load
from nodestage.tumor import slices

OWN = anatomy.read(CONFIG / "gastric_anatomy.yaml")
LABELS = OWN["labels"]
CENTERS = {"changhai": 12, "shengjing": 4, "tianjin": 3, "teaching": 2}
OFF = ("resnet3d", "resnet2d", "deepten", "radiomics_ct_report", "combined_radiomics")


def small(**over):
    """The gastric study with few patients on a coarse grid."""
    config = default_config("config/gastric.yaml", **over)
    settings = config["simulator"] | {"grid": [36, 54, 71], "spacing": [4.4, 3.6, 3.6]}
    for name, center in settings["centers"].items():
        center |= {"patients": CENTERS[name], "prevalence": 0.5, "spacing": settings["spacing"]}
    settings["centers"]["changhai"]["labels"]["organs"] = {"train": 3, "validation": 1, "test": 2}
    return config | {"simulator": settings}


def patient(code="CH001", **over):
    config = small()
    settings = simulated(config, OWN) | over
    (row,) = [r for r in simulator.sheet(settings, 3) if r["patient"] == code]
    return row, simulator.simulate_patient(3, row, simulator.patient_settings(settings, row))


@pytest.fixture(scope="module")
def made():
    return patient()


def test_the_config_is_valid_and_the_study_has_one_phase():
    config = default_config("config/gastric.yaml")
    schema.check(config, anatomy.structures(config))
    study = load(config, anatomy.path_of(config))
    rows = study.patients.rows
    assert not any(row["arterial"] for row in rows.values())
    assert all(row["venous"] for row in rows.values())
    places = {row["tumor_location"] for row in rows.values()} - {""}
    assert places == {"upper", "middle", "lower"}
    assert study.settings.view_organ == "stomach" and study.settings.tumor_organ == 1
    assert (study.settings.teacher_classes, study.settings.classes) == (13, 15)


def test_a_tumor_lies_in_the_wall_of_the_stomach(made):
    row, drawn = made
    tumor = drawn.truth["tumor"]["venous"].array > 0
    organs = drawn.truth["organs"]["venous"].array
    assert row["tumor_location"] in drawn.truth["record"]["tumor"]["place"]
    assert tumor.any() and np.all(organs[tumor] == LABELS["stomach"])
    lumen = drawn.venous.array < 50  # gas and fluid
    assert not np.all(lumen[tumor]) and (organs == LABELS["stomach"]).sum() > 2 * tumor.sum()


def test_organs_have_the_numbers_of_the_studys_anatomy(made):
    _, drawn = made
    organs = drawn.truth["organs"]["venous"].array
    assert set(np.unique(organs)) <= {0, *LABELS.values()}
    found = {name for name, number in LABELS.items() if (organs == number).any()}
    assert {"stomach", "liver", "pancreas", "aorta", "tc_sa", "cha_pha"} <= found
    drawn_by_hand = set(np.unique(drawn.organs.array)) - {0}
    assert drawn_by_hand <= {LABELS[name] for name in ("sma", "tc_sa", "lga", "cha_pha")}


def test_names_of_the_simulator_are_those_of_the_built_in_anatomy():
    labels = anatomy.read(anatomy.BUILT_IN)["labels"]
    assert list(tissue.NAMES) == list(labels) and list(labels.values()) == list(range(1, 20))
    assert np.array_equal(tissue.numbers(None)[:20], np.arange(20))
    for cancer in cancers.CANCERS.values():
        assert sum(cancer.shares.values()) == pytest.approx(1) and len(cancer.shares) == 10


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"tumor_organ": "liver"}, "tumors of the liver can't be simulated"),
        ({"labels": LABELS | {"colon": 16}}, "the anatomy's colon can't be simulated"),
        ({"tumor_organ": "pancreas"}, "no tumor of the pancreas lies in lower, middle, upper"),
    ],
)
def test_what_cannot_be_simulated_is_refused(changes, sentence):
    with pytest.raises(InputError, match=sentence):
        simulator.sheet(simulated(small(), OWN | changes), 3)


def test_views_without_a_tumor_are_centered_on_the_stomach(made):
    _, drawn = made
    image, organs = drawn.venous.array, drawn.truth["organs"]["venous"].array
    settings = slices.ViewSettings(32, (12, 16, 16), "stomach")
    nothing = np.zeros(image.shape, bool)
    stomach = organs == LABELS["stomach"]
    views = slices.views(image, image, nothing, stomach, (4.4, 3.6, 3.6), settings)
    assert views["usable"] and views["source"] == "stomach"
    views = slices.views(image, image, nothing, nothing, (4.4, 3.6, 3.6), settings)
    assert views["reason"] == "no tumor was found, nor the organ that holds it"


def written(folder):
    """The small study as a user would write it."""
    config = small(methods=dict.fromkeys(OFF))
    preset = yaml.safe_load((CONFIG.parent / "tests/small.yaml").read_text(encoding="utf-8"))
    mine = {key: config[key] for key in ("title", "anatomy", "simulator")}
    mine |= {"methods": dict.fromkeys(OFF), "samples": None}
    workflow.write_config(folder, **laid(preset, mine))


@pytest.mark.slow
def test_the_workflow_plans_the_study_without_registering_two_phases(tmp_path):
    written(tmp_path)
    planned = workflow.planned(tmp_path, preset=False)
    assert planned["intake"] == sum(CENTERS.values())
    assert planned["center_report"] == 3 and planned["study_report"] == 1
    assert planned["tumor_views"] == 19


@pytest.mark.slow
@pytest.mark.further
def test_the_study_runs_to_its_reports(tmp_path):
    written(tmp_path)
    workflow.snakemake(tmp_path, preset=False)
    for page in ("changhai", "shengjing", "tianjin", "study"):
        html = (tmp_path / f"results/report/{page}.html").read_text(encoding="utf-8")
        assert "A simulated study of gastric cancer" in html and "pancreatic" not in html.lower()
        assert "lacks a phase" not in html and "lack a phase" not in html
    manifest = json.loads((tmp_path / "results/bundle/manifest.json").read_text(encoding="utf-8"))
    assert manifest["settings"]["anatomy"] == OWN
    for center in ("shengjing", "tianjin"):
        rows = tables.read(tmp_path / f"results/predictions/combined/ensemble/{center}.tsv")
        assert len(rows) == CENTERS[center]
        # Networks of this size learn next to nothing: where no tumor is found, the stomach stands in, or a reason.
        assert all(row["score"] or row["reason"] for row in rows)
    sources = {
        slices.read(path)["source"] for path in (tmp_path / "results/tumor/slices").glob("*.npz")
    }
    assert sources <= {"tumor", "stomach", "none"}
    found = tables.read(tmp_path / "results/statistics/study/table_2.tsv")
    assert {row["structure"] for row in found} == set(OWN["ranges_mm"])
    assert "anatomy file" in {row["source"] for row in found}
    quality = (tmp_path / "results/report/qc/changhai.html").read_text(encoding="utf-8")
    assert "largest area of the stomach" in quality and "swapped" not in quality
    # What runs again after a change of the anatomy, which a file of the study's folder replaces.
    assert replanned(tmp_path) == set()
    pages = replanned(tmp_path, cancer="cancer of the stomach")
    assert {"center_report", "study_report", "manifest"} <= pages
    assert not pages & {"organs", "tumor", "attention", "lymph_nodes", "fit", "score"}
    measured = replanned(tmp_path, vessels=["aorta"])
    assert "lymph_nodes" in measured and not measured & {"attention", "lymph_nodes_train", "tumor"}
    drawn = replanned(tmp_path, ranges_mm=OWN["ranges_mm"] | {"stomach": [-3, 20]})
    assert {"attention", "lymph_nodes_train"} <= drawn and not drawn & {"organs_student", "tumor"}


def replanned(folder, **parts):
    """Rules of which jobs run again where the anatomy has other parts."""
    (folder / "gastric_anatomy.yaml").write_text(
        yaml.safe_dump(OWN | parts, sort_keys=False), encoding="utf-8"
    )
    return set(workflow.planned(folder, preset=False))
