"""Every image header of a study, opened before anything runs (C9 among them)."""

import numpy as np
import pytest
from cohort_phantom import SHAPE, affine_ras, dicom_series, nifti, phantom
from test_cohort_sheet import CENTERS, row

from nodestage import cohort, tables
from nodestage.errors import InputError
from nodestage.study import check


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


def test_fifty_faults_among_a_thousand_rows_are_all_named_at_once(tmp_path, capsys):
    """30 in the sheet and 20 in image headers, of many kinds, as `make check` tells them."""
    image = nifti(tmp_path / "image.nii", phantom()[:3, :8, :8]).read_bytes()
    far = nifti(tmp_path / "far.nii", phantom()[:3, :8, :8], affine_ras(origin=(0.0, 0.0, 900.0)))
    far = far.read_bytes()
    nowhere = nifti(tmp_path / "nowhere.nii", phantom()[:3, :8, :8], scode=0).read_bytes()
    twice = nifti(tmp_path / "twice.nii", np.stack([phantom()[:3, :8, :8]] * 2)).read_bytes()
    rows, expected = [], []
    for k in range(1000):
        made = row(f"P{k:04d}", "alpha" if k % 2 else "beta", age="60", sex="F", pn_stage="N1")
        made |= {"venous": f"v{k}.nii", "lymph_nodes": f"n{k}.nii"}
        rows.append(made)
        for column in ("venous", "lymph_nodes"):
            (tmp_path / made[column]).write_bytes(image)
    in_sheet = [
        {"age": "x"}, {"sex": "X"}, {"pn_stage": "N0"}, {"center": "alfa"}, {"venous": "gone.nii"},
        {"ct_reported": "maybe"}, {"tumor_size_cm": "29mm"}, {"pt_stage": "T9"},
        {"tumor_location": "left"}, {"organ_set": "test"},
    ]  # fmt: skip
    for k in range(30):
        change = in_sheet[k % len(in_sheet)]
        # A contradiction is told of the status.
        told = "metastasis" if "pn_stage" in change else next(iter(change))
        rows[10 * k] |= change
        expected.append(f"row {10 * k + 2}, patient P{10 * k:04d}, {told}: ")
    broken = [("venous", twice), ("venous", nowhere), ("lymph_nodes", far), ("lymph_nodes", b"no")]
    for k in range(20):
        column, content = broken[k % len(broken)]
        patient = 500 + 10 * k + 1
        (tmp_path / rows[patient][column]).write_bytes(content)
        expected.append(f"P{patient:04d}: {column}: ")
    tables.write(tmp_path / "s.tsv", rows)
    (tmp_path / "c.yaml").write_text(
        "centers:\n  alpha: {role: discovery}\n  beta: {role: external}\n", encoding="utf-8"
    )
    assert check.main([str(tmp_path / "c.yaml"), "--sheet", str(tmp_path / "s.tsv")]) == 1
    printed = capsys.readouterr().err
    assert [words for words in expected if words not in printed] == []
    assert len(expected) == 50
    assert "has 30 faults" in printed and "20 faults in image headers" in printed


def test_from_the_terminal(tmp_path, capsys):
    rows = [row(f"P{k}", metastasis=str(k % 2)) for k in range(8)] + [row("c", "beta")]
    for k, made in enumerate(rows):
        nifti(tmp_path / made["venous"], phantom() + k)
        if made["lymph_nodes"]:
            nifti(tmp_path / made["lymph_nodes"], np.full(SHAPE, k, "u1"))
        made["organs"] = made["lymph_nodes"] and f"{made['patient']}_o.nii.gz"
        if made["organs"]:
            made["organ_set"] = "test"
            nifti(tmp_path / made["organs"], np.full(SHAPE, 10 + k, "u1"))
    tables.write(tmp_path / "s.tsv", rows)
    (tmp_path / "c.yaml").write_text(
        "centers:\n  alpha: {role: discovery}\n  beta: {role: external}\n"
        "substitute_phase: true\nfolds: {n: 4, inner: 0}\n"
        "organs: {source: given}\ntumor: {source: given}\n",
        encoding="utf-8",
    )
    assert check.main([str(tmp_path / "c.yaml"), "--sheet", str(tmp_path / "s.tsv")]) == 0
    printed = capsys.readouterr().out
    assert "9 patients, 9 images: no fault" in printed
    assert "median spacing 2.5 × 1.5 × 1.5 mm" in printed
    (tmp_path / "P1_n.nii.gz").unlink()
    assert check.main([str(tmp_path / "c.yaml"), "--sheet", str(tmp_path / "s.tsv")]) == 1
    assert "P1_n.nii.gz" in capsys.readouterr().err
