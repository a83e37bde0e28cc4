"""Every image header of a study, opened before anything runs."""

import gzip
import shutil

import numpy as np
import pytest
import workflow_study as workflow
from cohort_phantom import SHAPE, affine_ras, dicom_series, nifti, phantom
from sheet_rows import CENTERS, row

from nodestage import cohort
from nodestage.cohort import same
from nodestage.core import tables
from nodestage.core.errors import InputError
from nodestage.study import check


@pytest.fixture
def study(tmp_path):
    """Three patients: one clean, one from DICOM, one external."""
    mask = np.zeros(SHAPE, "u1")
    nifti(tmp_path / "a_v.nii.gz", phantom())
    nifti(tmp_path / "a_n.nii.gz", mask)
    dicom_series(tmp_path / "b" / "CANARY", array=phantom() + 1)
    nifti(tmp_path / "b_n.nii.gz", mask)
    nifti(tmp_path / "c_v.nii.gz", phantom() + 2)
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


def test_a_mask_that_lies_on_the_other_phase_asks_whether_they_are_exchanged(tmp_path, study):
    nifti(tmp_path / "a_a.nii.gz", phantom()[:20])
    nifti(tmp_path / "a_n.nii.gz", np.zeros((20, 64, 64), "u1"))
    study[0]["arterial"] = "a_a.nii.gz"
    told = checked(tmp_path, study[0])
    assert (
        "a: lymph_nodes: is not on the grid of the venous image, but exactly on that of the arterial"
        in told
    )
    assert "exchanged in the sheet?" in told and "`mask_phase: arterial`" in told
    nifti(tmp_path / "a_n.nii.gz", np.zeros((21, 64, 64), "u1"))
    assert "resample_masks" in checked(tmp_path, study[0])


def test_masks_that_may_be_resampled_pass(tmp_path, study):
    nifti(tmp_path / "a_n.nii.gz", np.zeros((23, 64, 64), "u1"))
    centers = CENTERS | {"alpha": CENTERS["alpha"] | {"resample_masks": True}}
    cohort.check_headers(study, centers, base=tmp_path)


def test_fifty_faults_among_a_thousand_rows_are_all_named_at_once(tmp_path, capsys):
    """30 in the sheet and 20 in image headers, of many kinds, as `make check` tells them."""
    image = nifti(tmp_path / "image.nii", phantom()[:3, ::8, ::8]).read_bytes()
    mask = nifti(tmp_path / "mask.nii", np.zeros((3, 8, 8), "i2")).read_bytes()
    far = nifti(tmp_path / "far.nii", phantom()[:3, ::8, ::8], affine_ras(origin=(0.0, 0.0, 900.0)))
    far = far.read_bytes()
    nowhere = nifti(tmp_path / "nowhere.nii", phantom()[:3, ::8, ::8], scode=0).read_bytes()
    twice = nifti(tmp_path / "twice.nii", np.stack([phantom()[:3, ::8, ::8]] * 2)).read_bytes()
    rows, expected = [], []
    for k in range(1000):
        made = row(f"P{k:04d}", "alpha" if k % 2 else "beta", age="60", sex="F", pn_stage="N1")
        made |= {"venous": f"v{k}.nii", "lymph_nodes": f"n{k}.nii"}
        rows.append(made)
        # The last voxels tell one patient's image from another's.
        (tmp_path / made["venous"]).write_bytes(image[:-2] + k.to_bytes(2, "little"))
        (tmp_path / made["lymph_nodes"]).write_bytes(mask)
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
            nifti(tmp_path / made["lymph_nodes"], np.full(SHAPE, k % 3, "u1"))
        made["organs"] = made["lymph_nodes"] and f"{made['patient']}_o.nii.gz"
        if made["organs"]:
            made["organ_set"] = "test"
            nifti(tmp_path / made["organs"], np.full(SHAPE, 10 + k, "u1"))
    tables.write(tmp_path / "s.tsv", rows)
    (tmp_path / "c.yaml").write_text(
        "centers:\n  alpha: {role: discovery}\n  beta: {role: external}\n"
        "substitute_phase: true\nfolds: {n: 4, inner: 0}\n"
        "identification: {candidates: false}\nmethods: {nodes_candidates: null, "
        "combined_candidates: null, combined_radiomics: null}\n"
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


SAME = "the same image as"


def checked(folder, *rows):
    with pytest.raises(InputError) as error:
        cohort.check_headers(list(rows), CENTERS, 1, base=folder)
    return str(error.value)


def test_one_image_in_both_phases_is_seen_under_another_name(tmp_path, study):
    shutil.copy(tmp_path / "a_v.nii.gz", tmp_path / "copy.nii.gz")
    told = checked(tmp_path, study[0] | {"arterial": "copy.nii.gz"})
    assert f"a: venous: {SAME} arterial, voxel by voxel" in told
    (tmp_path / "b" / "more").mkdir()
    dicom_series(tmp_path / "b" / "CANARY", array=phantom() + 1, uid="1.2.826.0.77")
    told = checked(tmp_path, study[1] | {"arterial": "b"})
    assert f"b: venous: {SAME} arterial" in told


def test_one_image_with_two_patients_is_seen_and_a_mask_may_be_equal(tmp_path, study):
    shutil.copy(tmp_path / "a_v.nii.gz", tmp_path / "c_v.nii.gz")
    shutil.copy(tmp_path / "a_n.nii.gz", tmp_path / "b_n.nii.gz")
    told = checked(tmp_path, *study)
    assert "1 fault in image headers" in told
    assert f"c: venous: {SAME} venous of a, voxel by voxel" in told


def test_equal_ends_of_different_files_are_not_believed(tmp_path, study):
    image = np.zeros((40, 64, 64), "i2")
    for code, place in (("a", 9), ("c", 10)):
        image[place] = 7
        nifti(tmp_path / f"{code}_v.nii", image)
        image[place] = 0
    rows = [study[0] | {"venous": "a_v.nii", "lymph_nodes": ""}, study[2] | {"venous": "c_v.nii"}]
    marks = [same.mark_of_file(tmp_path / row["venous"]) for row in rows]
    assert marks[0] == marks[1]
    assert len(cohort.check_headers(rows, CENTERS, 1, base=tmp_path)) == 2


def test_copies_are_known_by_their_voxels_whatever_file_they_came_in(tmp_path):
    nifti(tmp_path / "a.nii.gz", phantom())
    dicom_series(tmp_path / "b")
    arrays = [cohort.read_ct(tmp_path / name).array for name in ("a.nii.gz", "b")]
    marks = {("P1", "venous"): same.digest(arrays[0]), ("P2", "arterial"): same.digest(arrays[1])}
    with pytest.raises(InputError, match="P2: arterial: the same image as venous of P1"):
        same.check(marks)
    same.check(marks | {("P2", "arterial"): same.digest(arrays[1] + 1)})


@pytest.mark.slow
def test_the_jobs_refuse_copies_that_differ_as_files(tmp_path):
    rows = []
    for k in range(8):
        made = row(f"P{k}", metastasis=str(k % 2), lymph_nodes="n.nii" if k == 0 else "")
        nifti(tmp_path / made["venous"], phantom()[:12, ::2, ::2] + max(k, 1))
        rows.append(made)
    nifti(tmp_path / "n.nii", np.zeros((12, 32, 32), "u1"))
    nifti(tmp_path / "P7_a.nii", phantom()[:12, ::2, ::2] + 7)  # as P7_v.nii.gz, not compressed
    rows[7]["arterial"] = "P7_a.nii"
    workflow.write_sheet(tmp_path, rows)
    centers = {"alpha": {"role": "discovery"}}
    more = {"spacing_mm": [2.5, 3, 3], "folds": {"n": 4, "inner": 0}}
    more |= {
        "identification": {"candidates": False},
        "methods": dict.fromkeys(("nodes_candidates", "combined_candidates", "combined_radiomics")),
    }
    workflow.write_config(tmp_path, samples="samples.tsv", centers=centers, **more)
    targets = ("results/cohort/same_images.json", "results/registration/P7/record.json")
    printed = workflow.snakemake(tmp_path, "--keep-going", *targets, check=False)
    assert "P1: venous: the same image as venous of P0" in printed
    assert printed.count("P7: venous: the same image as arterial, voxel by voxel") == 2


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda hu: hu.astype("u2"), "wrapped in unsigned 16-bit"),
        (lambda hu: hu & 0xFFF, "12-bit"),
        (lambda hu: ((hu - hu.mean()) / hu.std()).astype("f4"), "normalised"),
        (lambda hu: (hu + 1024).astype("i2"), "shifted by 1024|shifted, inverted"),
        (lambda hu: np.clip(hu, -160, 240), "cut to a window"),
        (lambda hu: np.clip((hu + 160) / 400 * 255, 0, 255).astype("u1"), "not a CT|8 bits"),
    ],
)
def test_an_image_that_isnt_in_hu_is_seen_before_any_job(tmp_path, study, change, words):
    nifti(tmp_path / "a_v.nii.gz", change(phantom()))
    with pytest.raises(InputError, match=words) as error:
        cohort.check_headers(study, CENTERS, 1, base=tmp_path)
    assert "1 fault" in str(error.value) and "a: venous: " in str(error.value)


def test_an_hu_offset_of_the_center_counts(tmp_path, study):
    nifti(tmp_path / "c_v.nii.gz", phantom() + 1024)
    centers = CENTERS | {"beta": CENTERS["beta"] | {"hu_offset": -1024}}
    assert len(cohort.check_headers(study, centers, 1, base=tmp_path)) == 3


def test_dicom_that_isnt_in_hu_is_seen_before_any_job(tmp_path, study):
    shutil.rmtree(tmp_path / "b")
    dicom_series(tmp_path / "b" / "CANARY", array=phantom() + 1024)
    assert "b: venous: " in checked(tmp_path, *study)


@pytest.mark.parametrize("name", ["a_v.nii.gz", "a_n.nii.gz"])
def test_a_cut_file_is_seen_before_any_job(tmp_path, study, name):
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) * 9 // 10])
    assert "cut short or damaged" in checked(tmp_path, *study)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda mask: mask + 7, "id 7 .* not among 1 = negative, 2 = positive"),
        (lambda mask: np.where(mask == 0, np.nan, 1.0), "NaN"),
        (lambda mask: phantom(), "an image, not a mask"),
    ],
)
def test_what_is_no_mask_is_seen_before_any_job(tmp_path, study, change, words):
    nifti(tmp_path / "a_n.nii.gz", change(np.zeros(SHAPE, "u1")))
    with pytest.raises(InputError, match=words):
        cohort.check_headers(study, CENTERS, 1, base=tmp_path)


def test_a_file_of_several_gzip_parts_is_whole(tmp_path, study):
    content = gzip.decompress((tmp_path / "a_v.nii.gz").read_bytes())
    parts = [gzip.compress(content[:100_000]), gzip.compress(content[100_000:])]
    (tmp_path / "a_v.nii.gz").write_bytes(b"".join(parts))
    assert len(cohort.check_headers(study, CENTERS, 1, base=tmp_path)) == 3
