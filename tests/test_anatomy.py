"""Another cancer by a file: its structures, ranges, tumor organ and phases, and what is refused."""

import copy
import re

import pytest
import yaml
from study_config import CONFIG, default_config

from nodestage.cohort.clinical import CLINICAL
from nodestage.cohort.sheet import COLUMNS, read_sheet
from nodestage.cohort.sheet_check import check_sheet
from nodestage.core import totalsegmentator
from nodestage.core.errors import InputError
from nodestage.exchange import packet
from nodestage.exchange.bundle import Frozen
from nodestage.methods.base import Data, Patients
from nodestage.report import fields, model_card
from nodestage.report.records import Facts, Run
from nodestage.statistics import characteristics
from nodestage.study import anatomy, check, examination, outline, schema
from nodestage.study.study import load

BUILT_IN = yaml.safe_load((CONFIG / "anatomy.yaml").read_text(encoding="utf-8"))
PRIMARY = {"metric": "auc", "method": "combined", "reference": "radiomics", "margin": None}
CEA = {"minimum": 0, "maximum": 5000}
RECTUM = {
    "cancer": "rectal cancer",
    "tumor_organ": "rectum",
    "phases": ["venous"],
    "labels": {"rectum": 2, "iliac_artery": 3, "bladder": 1},
    "drawn_only": ["iliac_artery"],
    "ranges_mm": {"rectum": [-2, 25], "iliac_artery": "estimated"},
    "stations": {"rectum": ["251"], "iliac_artery": [263, 283]},
    "vessels": ["iliac_artery"],
    "clinical": {"pn_stage": ["N0", "N1", "N2"], "mrf": ["clear", "involved"], "cea": CEA},
}


def changed(**changes):
    """The anatomy of rectal cancer with other keys; None takes one out."""
    merged = copy.deepcopy(RECTUM) | changes
    return {key: value for key, value in merged.items() if value is not None}


def test_the_built_in_anatomy_is_whole_and_has_every_key():
    anatomy.check_anatomy(BUILT_IN, "anatomy.yaml")
    rules = yaml.safe_load(anatomy.SCHEMA.read_text(encoding="utf-8"))
    # The values of its clinical columns are those of samples.schema.yaml.
    assert {*BUILT_IN, "clinical"} == set(rules["properties"])
    assert anatomy.read(anatomy.BUILT_IN) == BUILT_IN | {"clinical": {}}


def test_what_a_file_leaves_out_is_added():
    labels = {"pancreas": 1, "aorta": 2}
    short = {"labels": labels, "ranges_mm": {"pancreas": [-5, 20]}}
    anatomy.check_anatomy(short, "own.yaml")
    complete = anatomy.complete(short)
    assert complete["cancer"] == "pancreatic cancer" and complete["tumor_organ"] == "pancreas"
    assert complete["phases"] == ["arterial", "venous"] and complete["vessels"] == ["aorta"]
    assert (
        complete["stations"] == {} and complete["drawn_only"] == [] and complete["labels"] == labels
    )
    assert anatomy.complete(changed(cancer=None))["cancer"] == "rectum cancer"
    assert anatomy.complete(RECTUM) == RECTUM


FAULTS = [
    ({"labels": None}, "'labels' is missing"),
    ({"ranges_mm": None}, "'ranges_mm' is missing"),
    ({"organs": 3}, "unknown setting 'organs'"),
    ({"tumor_organ": "rectun"}, "'rectun' is not a structure of `labels` (did you mean 'rectum'?)"),
    ({"tumor_organ": None}, "'pancreas', the default, is not a structure of `labels`"),
    (
        {"labels": {"rectum": 2, "iliac_artery": 4}},
        "no structure has the number 1, 3. Number them from",
    ),
    ({"drawn_only": ["rectum"]}, "'rectum' has the number 2, below that of"),
    ({"drawn_only": list(RECTUM["labels"])}, "it names every structure"),
    (
        {"labels": {"rectum": 1, "iliac_artery": 2}, "drawn_only": ["uterus"]},
        "'uterus' is not a struct",
    ),
    ({"labels": {"rectum": 3, "iliac_artery": 3}}, "rectum and iliac_artery have the number 3"),
    ({"labels": {"rectum": 0, "iliac_artery": 3}}, "labels.rectum: 0 is not allowed"),
    ({"labels": {"rectum": 300, "iliac_artery": 3}}, "whole number from 1 to 255"),
    ({"labels": {"rectum": 1, "tumor": 3}}, "the name 'tumor' is not allowed"),
    ({"labels": {"rectum": 1, "Iliac artery": 3}}, "the name 'Iliac artery' is not allowed"),
    ({"ranges_mm": {"rectum": [25, -2], "iliac_artery": [0, 9]}}, "the lower first"),
    ({"ranges_mm": {"rectum": [-2], "iliac_artery": [0, 9]}}, "Give two distances in mm"),
    ({"ranges_mm": {"rectum": "guessed", "iliac_artery": [0, 9]}}, "or `estimated`"),
    ({"ranges_mm": {"rectum": [-2, 25]}}, "'iliac_artery' has stations, but no range"),
    ({"ranges_mm": {**RECTUM["ranges_mm"], "prostate": [0, 9]}}, "'prostate' is not a structure"),
    ({"stations": {**RECTUM["stations"], "prostate": [1]}}, "stations: 'prostate' is not a struct"),
    ({"vessels": ["iliac_vein"]}, "vessels: 'iliac_vein' is not a structure of `labels`"),
    ({"phases": []}, "one or two of arterial and venous"),
    ({"phases": ["arterial", "venous", "delayed"]}, "three phases are not supported"),
    ({"phases": ["delayed"]}, "one or two of arterial and venous"),
    ({"clinical": {"age": ["young", "old"]}}, "the name 'age' is not allowed"),
    ({"clinical": {"mrf": ["clear"]}}, "Give the allowed values in a list of words"),
    ({"clinical": {"cea": {"minimum": 0}}}, "'maximum' is missing"),
    ({"clinical": {"grade": [1, 2]}}, "numbers in quotes"),
    ({"cancer": "<b>"}, "Give the cancer's name"),
]


@pytest.mark.parametrize("changes, sentence", FAULTS)
def test_a_fault_is_named_with_its_key_and_a_hint(changes, sentence):
    with pytest.raises(InputError) as raised:
        anatomy.check_anatomy(changed(**changes), "rectum.yaml")
    assert str(raised.value).startswith("rectum.yaml has 1 fault:")
    assert sentence in str(raised.value)


def written(folder, content):
    (folder / "rectum.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder / "rectum.yaml"


def test_a_file_is_found_in_the_study_then_among_the_own_ones(tmp_path):
    path = written(tmp_path, RECTUM)
    assert anatomy.path_of({"anatomy": "rectum.yaml"}, tmp_path) == path
    assert anatomy.path_of({"anatomy": str(path)}) == path
    assert anatomy.path_of({"anatomy": None}) == anatomy.path_of({}) == anatomy.BUILT_IN
    assert anatomy.path_of({"anatomy": "anatomy.yaml"}, tmp_path) == anatomy.BUILT_IN
    with pytest.raises(InputError, match=r"`anatomy` names colon\.yaml"):
        anatomy.path_of({"anatomy": "colon.yaml"}, tmp_path)


def test_a_config_calls_structures_by_the_names_of_its_anatomy(tmp_path):
    config = default_config(anatomy=str(written(tmp_path, RECTUM)))
    config["simulator"]["centers"]["changhai"]["annotated"] = ["iliac_artery"]
    with pytest.raises(InputError, match="annotated"):
        schema.check(config)
    config["simulator"]["centers"]["teaching"]["annotated"] = ["sma"]
    with pytest.raises(InputError) as raised:
        schema.check(config, anatomy.structures(config))
    assert "teaching.annotated" in str(raised.value) and "changhai" not in str(raised.value)


def test_ranges_without_numbers_need_estimated_ones():
    config, both = default_config(), changed(phases=["arterial", "venous"])
    with pytest.raises(InputError, match="no numbers for iliac_artery"):
        anatomy.check_against_config(both, config)
    config["attention"]["ranges"] = "estimated"
    anatomy.check_against_config(both, config)
    config["tumor"]["piece"] = "pancreas"
    with pytest.raises(InputError, match="but the tumor is one of the rectum"):
        anatomy.check_against_config(both, config)
    anatomy.check_against_config(BUILT_IN, config)


@pytest.mark.parametrize("word, found", [("organ", 11), ("pancreas", 11), ("largest", None)])
def test_a_tumor_lies_at_its_organ(word, found):
    settings = load(default_config(tumor={"piece": word}), anatomy.BUILT_IN).settings
    assert (settings.teacher_classes, settings.classes) == (17, 19)
    assert settings.piece_organ == found and settings.tumor_organ == 11
    assert settings.view_organ == "pancreas" and settings.ranges_source == "Table II"


def test_totalsegmentator_gives_the_structures_that_the_study_has():
    known = ["stomach", "liver", "lga"]
    assert totalsegmentator.label_system(known=known) == {
        "liver": 5,
        "stomach": 6,
        "ignore": "others",
    }
    assert len(totalsegmentator.label_system()) == 15


def one_phase(phase, **over):
    """The built-in anatomy with one phase, and the default config without another one."""
    config = default_config(**over)
    for center in config["simulator"]["centers"].values():
        center.pop("mask_phase")
    return BUILT_IN | {"phases": [phase]}, config


def test_a_study_of_one_phase_refuses_settings_of_two():
    single, config = one_phase("venous", tumor={"phases": "both"})
    config["simulator"]["centers"]["teaching"]["mask_phase"] = {"tumor": "arterial"}
    with pytest.raises(InputError) as raised:
        anatomy.check_against_config(single, config)
    assert "tumor.phases: `both`" in str(raised.value)
    assert "center teaching, mask_phase: arterial" in str(raised.value)


@pytest.mark.parametrize("phase", ["arterial", "venous"])
def test_a_study_of_one_phase_takes_that_phase_for_both(phase, tmp_path):
    single, config = one_phase(phase)
    study = load(config, written(tmp_path, single))
    settings, roster = study.settings, study.patients
    assert settings.one_phase == phase and roster.phases("CH001") == [phase]
    assert {study.masks.phase(p, "organs") for p in ("CH001", "TE001")} == {phase}
    lost = [p for p in roster.rows if not roster.is_imaged(p)]
    # One external patient of the simulated study lacks the arterial phase.
    assert len(lost) == (phase == "arterial")
    assert [roster.why_not_imaged(p) for p in lost] == ["arterial phase missing"] * len(lost)
    assert {name for _, name in roster.images} == {phase}
    row = study.facts.table_rows("changhai")[0]
    assert row["missing_phase"] == "" and row["one_phase"] == phase
    report = study.facts.report()
    assert report["phases"] == (phase,) and report["sizes"]["Registration"].startswith("None")
    assert f"; {phase} phase: 64;" in outline.lines(study)[0]


def test_a_study_of_two_phases_says_nothing_of_one():
    study = load(default_config(), anatomy.BUILT_IN)
    assert study.settings.one_phase is None and "; both phases: 64;" in outline.lines(study)[0]
    assert "one_phase" not in study.facts.table_rows("changhai")[0]
    assert study.facts.report()["cancer"] == "pancreatic cancer"


def test_pages_state_the_cancer_and_its_phase():
    run = Run.of({"cancer": "rectal cancer", "phases": ("venous",), "primary": PRIMARY})
    use = model_card._use(Facts(run)).items[0]
    assert "a patient with rectal cancer" in use and "from the venous phase of a CT" in use
    assert "has one phase (venous)" in fields.substituted_words(0, run.one_phase)
    assert fields.substituted_words(0) == "Every patient was analysed with both phases or left out."


ROW = {"patient": "P1", "center": "a", "venous": "v.nii.gz", "lymph_nodes": "n.nii.gz"}


@pytest.mark.parametrize(
    "cells, sentence",
    [
        ({"mrf": "clear", "cea": "4.5", "pn_stage": "pN2"}, ""),
        ({"mrf": "", "cea": "", "pn_stage": ""}, ""),
        ({"mrf": "unclear"}, "'unclear' is not allowed. Use clear or involved, or leave it empty"),
        ({"cea": "5001"}, "Give a number from 0 to 5000"),
        ({"cea": "high"}, "Give a number from 0 to 5000"),
        ({"pn_stage": "N3"}, "Use N0, N1 or N2"),
        ({"tumor_location": "head"}, ""),  # a usual column that the file doesn't name
    ],
)
def test_cells_of_clinical_columns_have_the_values_of_the_anatomy(cells, sentence):
    row = ROW | {"metastasis": "1"} | cells
    centers = {"a": {"role": "discovery"}}
    if not sentence:
        check_sheet([row], centers, files=False, clinical=RECTUM["clinical"])
        return
    with pytest.raises(InputError) as raised:
        check_sheet([row], centers, files=False, clinical=RECTUM["clinical"])
    assert sentence in str(raised.value)


@pytest.mark.parametrize("status, stage", [("0", "N3"), ("1", "N0")])
def test_a_stage_that_contradicts_the_status_is_refused(status, stage):
    clinical = {"pn_stage": ["N0", "N1", "N2", "N3"]}
    centers = {"a": {"role": "discovery"}}
    row = ROW | {"metastasis": status, "pn_stage": stage}
    with pytest.raises(InputError, match="contradicts pn_stage"):
        check_sheet([row], centers, files=False, clinical=clinical)
    good = row | {"metastasis": str(1 - int(status))}
    check_sheet([good], centers, files=False, clinical=clinical)


def test_methods_read_the_own_columns_but_no_stage_of_the_nodes(tmp_path):
    own = BUILT_IN | {"clinical": RECTUM["clinical"]}
    study = load(default_config(), written(tmp_path, own))
    seen = study.patients.clinical(["CH001"])["CH001"]
    assert set(seen) == {*CLINICAL, "mrf", "cea"}
    assert study.settings.added_clinical == {"mrf": False, "cea": True}
    assert {"mrf", "cea", "pn_stage"} <= set(study.facts.table_rows("changhai")[0])
    data = Data(clinical={"P1": seen | {"mrf": "clear"}})
    read = Patients(data, ["P1"]).clinical("P1")
    assert read["mrf"] == "clear" and read["cea"] == "" and "pn_stage" not in read


def test_table_1_has_lines_of_the_own_columns():
    rows = [{"sex": "F", "mrf": "clear", "cea": "3"}, {"sex": "M", "mrf": "", "cea": "9"}]
    lines = characteristics.rows(rows, rows, clinical={"mrf": False, "cea": True})
    found = {(line["characteristic"], line["level"]): line["value"] for line in lines}
    assert found["Mrf, n (%)", "clear"] == found["Mrf, n (%)", "missing"] == "1 (50%)"
    assert found["Cea", "median [quartiles]"] == "6.0 [4.5-7.5]"
    assert not any(
        line["characteristic"].startswith("Mrf") for line in characteristics.rows(rows, rows)
    )


def test_the_example_of_the_documentation_is_valid():
    text = (CONFIG.parent / "docs/other_cancers.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    anatomy.check_anatomy(yaml.safe_load(example), "the example")
    keys = set(re.findall(r"^\| `([a-z_]+)` \|", text, re.MULTILINE))
    assert keys == set(yaml.safe_load(anatomy.SCHEMA.read_text(encoding="utf-8"))["properties"])


@pytest.fixture
def rectal():
    """A bundle of the study of rectal cancer."""
    digests = dict.fromkeys(("organs.pt", "tumor.pt"), "0")
    return Frozen("bundle", digests, {"substitute_phase": False}, copy.deepcopy(RECTUM), False, {})


def test_the_sheet_of_a_packet_has_the_columns_of_the_anatomy(rectal):
    columns = packet._columns(rectal)
    assert columns[-2:] == ["mrf", "cea"] and "venous" in columns and "venous_series" in columns
    assert not {"arterial", "arterial_series", "organ_set"} & set(columns)
    rectal.anatomy = BUILT_IN
    assert packet._columns(rectal) == [column for column in COLUMNS if column != "organ_set"]


def test_one_examination_needs_the_phase_of_the_bundle(rectal, tmp_path):
    given = examination.Examination(venous="v.nii.gz", columns={"cea": "4.5"})
    examination.check(given, rectal)
    examination.write(tmp_path / "study", given, tmp_path)
    (row,) = read_sheet(tmp_path / "study/samples.tsv", ["cea"])
    assert row["cea"] == "4.5" and row["arterial"] == ""
    with pytest.raises(InputError, match="needs the venous phase alone"):
        examination.check(examination.Examination(arterial="a.nii.gz"), rectal)
    with pytest.raises(InputError, match="ca19 is no column"):
        examination.check(examination.Examination(venous="v", columns={"ca19": "1"}), rectal)
    rectal.anatomy = BUILT_IN
    with pytest.raises(InputError, match="arterial phase is missing"):
        examination.check(examination.Examination(venous="v"), rectal)


def test_make_check_lists_the_faults_of_an_anatomy(tmp_path, capsys):
    written(tmp_path, changed(tumor_organ="rectun"))
    config = {"anatomy": "rectum.yaml", "samples": "samples.tsv", "centers": {}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert check.main([str(tmp_path / "config.yaml"), "--no-images"]) == 1
    assert "rectum.yaml has 1 fault:\n  tumor_organ: 'rectun'" in capsys.readouterr().err
    (tmp_path / "rectum.yaml").unlink()
    assert check.main([str(tmp_path / "config.yaml"), "--no-images"]) == 1
    assert "`anatomy` names rectum.yaml, which is not a file" in capsys.readouterr().err
