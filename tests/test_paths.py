"""Where results lie: given masks as files, predicted ones by the chunk, external centers from the bundle."""

import dataclasses

import pytest
from study_config import study

from nodestage.core import files


@pytest.fixture
def paths(config):
    return study(config).paths


def test_predicted_masks_are_folders_of_a_chunk_and_given_ones_files(config, paths):
    predicted = paths.masks("tumor", ["CH001", "CH002"])
    assert predicted == {"tumor_files": [], "tumor_chunks": ["results/tumor/changhai/chunk0"] * 2}
    config["tumor"]["source"] = "given"
    given = study(config).paths.masks("tumor", ["CH001"])
    assert given == {
        "tumor_files": ["results/registration/CH001/tumor.nii.gz"],
        "tumor_chunks": [],
    }
    for inputs, wanted in (
        (given, "results/registration/CH001/tumor.nii.gz"),
        (predicted, "results/tumor/changhai/chunk0/CH001.nii.gz"),
    ):
        codes = ["CH001", "CH002"][: sum(map(len, inputs.values()))]
        assert str(files.masks(inputs, "tumor", codes)[0]) == wanted


def test_an_auxiliary_center_has_its_drawn_organs_alone(paths):
    assert paths.masks("organs", ["TE001"])["organs_files"] == [paths.drawn("organs", "TE001")]


def test_one_job_takes_masks_of_one_kind(paths):
    with pytest.raises(ValueError, match="source differs"):
        paths.masks("organs", ["TE001", "CH001"])


def test_external_centers_read_models_ranges_and_spacing_from_the_bundle(config):
    config |= {
        "spacing_mm": "median",
        "attention": {"ranges": "estimated", "percentiles": [0, 100]},
    }
    paths = study(config).paths
    assert paths.model("organs", "changhai") == "results/organs/model.pt"
    assert paths.model("organs", "tianjin") == "results/bundle/organs.pt"
    assert paths.model("fusion", "tianjin", 2) == "results/bundle/fold2/fusion.pt"
    assert paths.estimated_ranges("CH001", 1) == "results/attention/ranges/fold1.json"
    assert paths.estimated_ranges("TJ001", 1) == "results/bundle/fold1/ranges.json"
    assert paths.median_spacing("CH001") == ["results/cohort/spacing.json"]
    assert paths.median_spacing("TJ001") == ["results/bundle/spacing.json"]
    assert paths.attention("TJ001", 1) == "results/attention/fold1/TJ001.nii.gz"


def test_what_a_table_and_the_config_say_needs_no_file_of_a_fold(paths):
    assert paths.attention("TJ001", 1) == "results/attention/table/TJ001.nii.gz"
    assert paths.median_spacing("CH001") == []


def test_a_family_reads_what_its_methods_need_of_patients_with_images(config):
    made = study(config)
    (lacking,) = [p for p in made.patients.of("shengjing") if not made.patients.is_imaged(p)]
    patients = made.patients.of("shengjing")
    fusion = made.paths.method_inputs("fusion", 0, patients)
    assert set(fusion) == {"records", "views", "nodes"}
    assert len(fusion["views"]) == len(patients) - 1 and lacking not in str(fusion)
    assert set(made.paths.method_inputs("baselines", 0, patients)) == {"views", "radiomics"}
    only = {"ct_report": config["methods"]["ct_report"]}
    report = dataclasses.replace(made.methods, config=only)
    assert (
        dataclasses.replace(made.paths, methods=report).method_inputs("baselines", 0, patients)
        == {}
    )


def test_prediction_tables_come_method_by_method_and_part_by_part(paths):
    tables = paths.predictions("tianjin")
    assert tables[:2] == [f"results/predictions/ct_report/fold{k}/tianjin.tsv" for k in range(2)]
    assert tables[3] == "results/predictions/ct_report/ensemble/tianjin.tsv"
    methods = len(paths.methods.names)
    assert methods == 12 and len(tables) == methods * 4
    assert len(paths.predictions("changhai")) == methods * 3
