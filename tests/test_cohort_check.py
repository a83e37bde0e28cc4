"""Every image header of a study, opened before anything runs (C9 among them)."""

import numpy as np
import pytest
from cohort_phantom import SHAPE, affine_ras, dicom_series, nifti, phantom
from test_cohort_sheet import CENTERS, row

from nodestage import cohort, tables
from nodestage.cohort import check
from nodestage.errors import InputError


@pytest.fixture
def study(tmp_path):
    """Three patients: one clean, one from DICOM, one external."""
    mask = np.zeros(SHAPE, "u1")
    nifti(tmp_path / "a_v.nii.gz", phantom())
    nifti(tmp_path / "a_n.nii.gz", mask)
    dicom_series(tmp_path / "b" / "CANARY")
    nifti(tmp_path / "b_n.nii.gz", mask)
    nifti(tmp_path / "c_v.nii.gz", phantom())
    return [row("a"), row("b", venous="b/CANARY"), row("c", "beta")]


def test_a_good_study_gives_its_grids(tmp_path, study):
    grids = cohort.check_headers(study, CENTERS, 2, base=tmp_path)
    assert set(grids) == {("a", "venous"), ("b", "venous"), ("c", "venous")}
    assert {grid.shape for grid in grids.values()} == {SHAPE}


def test_all_faults_of_all_headers_in_one_error(tmp_path, study):
    nifti(tmp_path / "a_n.nii.gz", np.zeros((23, 64, 64), "u1"))
    for path in sorted((tmp_path / "b" / "CANARY").iterdir())[5:7]:
        path.unlink()
    nifti(tmp_path / "c_v.nii.gz", np.stack([phantom()] * 2))
    with pytest.raises(InputError) as error:
        cohort.check_headers(study, CENTERS, 2, base=tmp_path)
    text = str(error.value)
    assert "3 faults" in text
    assert "a: lymph_nodes: is not on the grid of the venous image" in text
    assert "b: venous: 2 slices missing" in text
    assert "c: venous: " in text and "more than one volume" in text
    assert "CANARY" not in text


def test_phases_apart_in_space(tmp_path, study):
    nifti(tmp_path / "c_a.nii.gz", phantom(), affine_ras(origin=(-48.0, -40.0, 900.0)))
    study[2]["arterial"] = "c_a.nii.gz"
    with pytest.raises(InputError, match="c: arterial: does not overlap"):
        cohort.check_headers(study, CENTERS, base=tmp_path)


def test_masks_that_may_be_resampled_pass(tmp_path, study):
    nifti(tmp_path / "a_n.nii.gz", np.zeros((23, 64, 64), "u1"))
    centers = CENTERS | {"alpha": CENTERS["alpha"] | {"resample_masks": True}}
    cohort.check_headers(study, centers, base=tmp_path)


def test_from_the_terminal(tmp_path, study, capsys):
    tables.write(tmp_path / "s.tsv", study)
    (tmp_path / "c.yaml").write_text(
        "centers:\n  alpha: {role: discovery}\n  beta: {role: external}\n", encoding="utf-8"
    )
    assert check.main([str(tmp_path / "c.yaml"), "--sheet", str(tmp_path / "s.tsv")]) == 0
    assert "3 patients, 3 images: no fault" in capsys.readouterr().out
    (tmp_path / "a_n.nii.gz").unlink()
    assert check.main([str(tmp_path / "c.yaml"), "--sheet", str(tmp_path / "s.tsv")]) == 1
    assert "a_n.nii.gz" in capsys.readouterr().err
