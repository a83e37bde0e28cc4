"""NIfTI files of any hospital's making: axes, skewed grids and values, for CT."""

import gzip
import itertools
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from cohort_phantom import ORIGIN, SHAPE, SPACING, affine_ras, cube_mm, nifti, phantom
from nifti_phantom import noisy, quaternion, sheared, turned, with_value

from nodestage import cohort
from nodestage.cohort import plausible, values
from nodestage.core.errors import InputError

REAL = Path(__file__).parents[1] / "../shared/data/real"


def read(path, **more):
    return cohort.read_ct_with_record(path, patient="P1", column="arterial", **more)


def refused(path, *words, **more):
    with pytest.raises(InputError) as error:
        read(path, **more)
    for word in ("P1: arterial: ", *words):
        assert word in str(error.value), str(error.value)
    assert str(path) not in str(error.value)


def assert_is_phantom(volume):
    np.testing.assert_array_equal(volume.array, phantom())
    np.testing.assert_allclose(volume.spacing, SPACING, atol=1e-5)
    np.testing.assert_allclose(volume.origin, ORIGIN, atol=1e-4)
    assert volume.direction == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert volume.array.dtype == np.int16


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("dtype", ["i2", "i4", "f4", "f8"])
def test_storage_types(tmp_path, name, dtype):
    assert_is_phantom(read(nifti(tmp_path / name, phantom(), dtype=dtype))[0])


def test_scaled_unsigned_storage(tmp_path):
    stored = ((phantom().astype(int) + 1024) // 2).astype("u2")
    volume, record = read(nifti(tmp_path / "a.nii.gz", stored, slope=2, inter=-1024))
    assert_is_phantom(volume)
    assert record["scaled_storage"]


def test_big_endian_and_gzip_without_its_suffix(tmp_path):
    little = nifti(tmp_path / "a.nii.gz", phantom())
    (tmp_path / "b.nii").write_bytes(little.read_bytes())
    assert_is_phantom(read(tmp_path / "b.nii")[0])

    import nibabel

    image = nibabel.Nifti1Image(phantom().transpose(2, 1, 0), affine_ras())
    swapped = nibabel.Nifti1Image(image.get_fdata(), image.affine, image.header.as_byteswapped())
    nibabel.save(swapped, tmp_path / "c.nii.gz")
    assert_is_phantom(read(tmp_path / "c.nii.gz")[0])
    nibabel.save(
        nibabel.Nifti2Image(phantom().transpose(2, 1, 0), affine_ras()), tmp_path / "d.nii.gz"
    )
    assert_is_phantom(read(tmp_path / "d.nii.gz")[0])


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_all_48_orientations_come_out_the_same(tmp_path, order):
    """Voxels and header turned together are the same image."""
    for signs in itertools.product([1, -1], repeat=3):
        stored = phantom().transpose(order)[tuple(slice(None, None, s) for s in signs)]
        affine = turned(order, signs)
        volume, record = read(nifti(tmp_path / "a.nii", stored, affine))
        assert_is_phantom(volume)
        assert record.get("reoriented", False) == ((order, signs) != ((0, 1, 2), (1, 1, 1)))


def test_voxels_flipped_without_their_header_are_warned_of(tmp_path):
    right = cohort.quality(read(nifti(tmp_path / "a.nii", phantom()))[0])
    wrong = cohort.quality(read(nifti(tmp_path / "b.nii", phantom()[:, ::-1]))[0])
    assert not any("spine" in w for w in right["warnings"])
    assert any("spine not behind" in w for w in wrong["warnings"])


@pytest.mark.parametrize("radians", [1e-4, -1e-4])
def test_a_tenth_of_a_milliradian_is_made_orthonormal(tmp_path, radians):
    affine = sheared(radians)
    volume, record = read(nifti(tmp_path / "a.nii", phantom(), affine))
    np.testing.assert_array_equal(volume.array, phantom())
    np.testing.assert_allclose(volume.origin, ORIGIN, atol=0.01)
    assert record["axes_snapped_deg"] == pytest.approx(abs(np.degrees(radians)), rel=0.01)


@pytest.mark.parametrize("degrees", [0.3, 8])
def test_shear_beyond_the_limit_is_resampled_straight(tmp_path, degrees):
    affine = sheared(np.radians(degrees))
    volume, record = read(nifti(tmp_path / "a.nii.gz", phantom(), affine))
    x, y, z, _ = affine @ [38.5, 22.5, 15.5, 1]
    np.testing.assert_allclose(cube_mm(volume), (-x, -y, z), atol=0.5)
    assert record["straightened_deg"] == pytest.approx(degrees, abs=0.01)
    assert record["shear_deg"] == pytest.approx(degrees, abs=0.01)
    assert volume.array.min() >= -1024


@pytest.mark.parametrize("degrees", [3, 15, -25])
def test_oblique_scans_keep_places_and_values(tmp_path, degrees):
    angle = np.radians(degrees)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    affine = turn @ affine_ras()
    volume, record = read(nifti(tmp_path / "a.nii.gz", phantom(), affine))
    x, y, z, _ = affine @ [38.5, 22.5, 15.5, 1]
    np.testing.assert_allclose(cube_mm(volume), (-x, -y, z), atol=0.3)
    assert record["shear_deg"] < 0.01
    assert {-1000, 40, 500, 900} <= set(np.unique(volume.array))


def test_axes_that_are_no_axial_ct(tmp_path):
    angle = np.radians(40)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    refused(nifti(tmp_path / "a.nii", phantom(), turn @ affine_ras()), "40.0° off", "35°")


def test_qform_alone_and_both_in_agreement(tmp_path):
    assert_is_phantom(read(nifti(tmp_path / "a.nii", phantom(), qform=quaternion(), scode=0))[0])
    assert_is_phantom(read(nifti(tmp_path / "b.nii", phantom(), qform=quaternion()))[0])


def test_qform_and_sform_in_contradiction(tmp_path):
    moved = affine_ras()[:3, 3] + [0, 0, 30]
    refused(nifti(tmp_path / "a.nii", phantom(), qform=quaternion(moved)), "30.00 mm apart")
    wide = quaternion(steps=(1.0, 1.5, 1.5, 5.0))
    refused(nifti(tmp_path / "b.nii", phantom(), qform=wide), "5 mm", "2.5 mm")


def test_a_template_sform_beside_a_scanner_qform(tmp_path):
    template = affine_ras()
    template[:3, 3] += [20, 0, 0]
    volume, record = read(
        nifti(tmp_path / "a.nii", phantom(), template, qform=quaternion(), scode=4)
    )
    assert_is_phantom(volume)
    assert record["template_sform_ignored"]


def test_shear_that_a_qform_cant_hold_comes_from_the_sform(tmp_path):
    affine = sheared(np.radians(8))
    _, record = read(nifti(tmp_path / "a.nii", phantom(), affine, qform=quaternion()))
    assert record["qform_cannot_hold_shear"] and record["straightened_deg"] == pytest.approx(
        8, abs=0.01
    )


def test_no_orientation_at_all(tmp_path):
    refused(nifti(tmp_path / "a.nii", phantom(), scode=0), "neither qform nor sform")


def test_meters_become_millimeters(tmp_path):
    affine = affine_ras()
    affine[:3] /= 1000
    volume, record = read(nifti(tmp_path / "a.nii", phantom(), affine, units=1))
    assert_is_phantom(volume)
    assert record["unit_scaled_to_mm"] == 1000


def test_a_single_fourth_axis_is_dropped_and_two_volumes_are_refused(tmp_path):
    assert_is_phantom(read(nifti(tmp_path / "a.nii.gz", phantom()[None]))[0])
    refused(
        nifti(tmp_path / "b.nii.gz", np.stack([phantom()] * 2)),
        "64 × 64 × 24 × 2",
        "more than one volume",
    )
    refused(nifti(tmp_path / "c.nii.gz", phantom()[0]), "64 × 64", "one slice")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_in_a_ct_is_counted(tmp_path, value):
    refused(
        nifti(tmp_path / "a.nii.gz", with_value(value, 17)), f"17 of {np.prod(SHAPE)} voxels", "NaN"
    )


def test_padding_of_any_value_becomes_air(tmp_path):
    for value in (-3024, -2048, -32768):
        volume, record = read(nifti(tmp_path / "a.nii.gz", with_value(value, 50, "i2")))
        assert volume.array.min() == -1024 and record["padding_voxels"] == 50


def test_metal_beyond_int16_is_cut_and_counted(tmp_path):
    volume, record = read(nifti(tmp_path / "a.nii.gz", with_value(50000, 3)))
    assert volume.array.max() == 32767 and record["cut_at_32767_voxels"] == 3


def test_hu_shifted_either_way(tmp_path):
    up = nifti(tmp_path / "a.nii.gz", phantom() + 1024)
    refused(up, "shifted by 1024", "hu_offset: -1024")
    assert_is_phantom(read(up, hu_offset=-1024)[0])
    down = nifti(tmp_path / "b.nii.gz", phantom() - 1024)
    refused(down, "shifted by −1024", "hu_offset: 1024")


@pytest.mark.parametrize(
    "make, word",
    [
        (lambda: (phantom() > 0).astype("i2"), "Were image and mask exchanged"),
        (lambda: np.zeros(SHAPE, "i2"), "Were image and mask exchanged"),
        (lambda: (phantom() + 1000) / 2000, "unit range"),
        (lambda: phantom() / 1000, "unit range"),
    ],
)
def test_what_is_no_ct(tmp_path, make, word):
    refused(nifti(tmp_path / "a.nii.gz", make()), word)


def hu(array, **more):
    return values.to_hu(np.asarray(array), {}, **more)


def scaled(low, high, top):
    return np.clip((noisy() - low) / (high - low), 0, 1) * top


@pytest.mark.parametrize(
    "array, words",
    [
        (noisy().astype("i2").view("u2"), "wrapped in unsigned 16-bit"),
        (noisy().astype("i2").view("u2").astype("f4"), "wrapped in unsigned 16-bit"),
        (np.where(noisy() < 0, noisy() + 4096, noisy()), "wrapped in 12-bit"),
        ((noisy() - noisy().mean()) / noisy().std(), "normalised"),
        ((np.clip(noisy(), -160, 300) - 80) / 60, "normalised"),
        (scaled(-160, 240, 255).astype("u1"), "window stretched to 8 bits"),
        (scaled(-160, 240, 1000), "cut to a window (0 to 1000)"),
        (scaled(-1000, 1000, 65535), "scaled"),
        (scaled(-1000, 1000, 2) - 1, "unit range"),
        (np.clip(noisy(), -160, 240), "cut to a window (-160 to 240)"),
        (np.clip(noisy(), -500, 500), "cut to a window (-500 to 500)"),
        (noisy() + 1024, "shifted by 1024"),
        (np.clip(noisy() + 1024, 0, 4095), "shifted by 1024"),
        (np.where(noisy() < -900, -2000, noisy() + 1024), "shifted by 1024"),
        (np.clip(noisy() - 1024, -1024, 3071), "where soft tissue does"),
        (-noisy(), "inverted"),
        (noisy() * 10, "not Hounsfield units"),
        (noisy() / 10, "not Hounsfield units"),
        (noisy() % 256, "8 bits"),
        (np.full(SHAPE, 400), "one value throughout"),
        (np.full(SHAPE, -2000) + 8 * np.arange(64), "padding alone"),
    ],
    ids=str.split("u2 u2-float 12-bit z nnunet 8-bit 1000 65535 unit window window-2 shift 12-bit-offset shift-padded "
                  "minus inverted ten tenth modulo flat padding"),
)  # fmt: skip
def test_what_is_not_in_hu_is_refused_with_its_likely_cause(array, words):
    with pytest.raises(InputError) as error:
        hu(array)
    assert words in str(error.value)


@pytest.mark.parametrize(
    "array",
    [
        phantom(),
        noisy(),
        noisy(inside=True),
        np.clip(noisy(), -1000, 1000),
        np.where(noisy() < -900, -3024, noisy()),
    ],
    ids=["phantom", "noisy", "inside the body", "cut at 1000", "padded"],
)
def test_what_is_in_hu_passes(array):
    np.testing.assert_array_equal(hu(array), np.maximum(array, -1024))


def bomb(folder, shape, size=1 << 20, dtype="u1"):
    """A .nii.gz of a few KB that announces `shape` and unpacks to `size` bytes of voxels."""
    path = nifti(folder / "a.nii", np.zeros((2, 2, 2), dtype))
    header = bytearray(path.read_bytes()[:352])
    struct.pack_into("<8h", header, 40, 3, *shape[::-1], 1, 1, 1, 1)
    with gzip.open(folder / "bomb.nii.gz", "wb", compresslevel=9) as handle:
        handle.write(header)
        for _ in range(size >> 20):
            handle.write(bytes(1 << 20))
    return folder / "bomb.nii.gz"


def test_a_file_that_unpacks_to_far_more_than_its_header_says_is_refused_early(tmp_path):
    path = bomb(tmp_path, (4, 8, 8), size=300 << 20)
    assert path.stat().st_size < 500_000
    tracemalloc.start()
    refused(path, "holds more than the 608 bytes")
    with pytest.raises(InputError, match="holds more than"):
        cohort.read_mask_with_record(path, cohort.MaskRules("tumor"))
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_headers_of_more_voxels_than_any_ct_are_refused_before_memory_is_asked_for(tmp_path):
    path = bomb(tmp_path, (30000, 30000, 30000))
    refused(path, "2.7e+13 voxels")
    with pytest.raises(InputError, match="voxels, at most"):
        cohort.ct_grid(path)
    nii = bytearray(nifti(tmp_path / "b.nii", phantom()).read_bytes())
    struct.pack_into("<f", nii, 108, 1e30)
    (tmp_path / "b.nii").write_bytes(nii)
    refused(tmp_path / "b.nii", "begin at byte 1e+30")


def test_pipes_never_hang(tmp_path):
    os.mkfifo(tmp_path / "a.nii.gz")
    os.mkfifo(tmp_path / "b")
    for name in ("a.nii.gz", "b"):
        with pytest.raises(InputError, match="pipe"):
            cohort.ct_grid(tmp_path / name)
        with pytest.raises(InputError, match=r"pipe|not a NIfTI file by its name"):
            cohort.read_mask_with_record(tmp_path / name, cohort.MaskRules("tumor"))


def test_files_cut_short_or_of_another_kind(tmp_path):
    whole = nifti(tmp_path / "a.nii.gz", phantom()).read_bytes()
    plain = nifti(tmp_path / "a.nii", phantom()).read_bytes()
    analyze = bytearray(plain)
    analyze[344:348] = bytes(4)
    for name, content, word in [
        ("b.nii.gz", whole[: len(whole) // 2], "cut short"),
        ("c.nii.gz", whole[:-6] + bytes([whole[-6] ^ 255]) + whole[-5:], "damaged"),
        ("d.nii", plain[:-100], "cut short"),
        ("e.nii", b"not an image at all" * 40, "not a NIfTI file"),
        ("f.nii", b"", "too short"),
        ("g.nii", bytes(analyze), "Analyze"),
        ("h.nrrd", b"NRRD0004" * 50, "neither NIfTI nor DICOM"),
    ]:
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, word)
    refused(tmp_path / "absent.nii.gz", "not there")


def test_random_damage_to_a_header_never_ends_in_a_traceback(tmp_path):
    content, rng = nifti(tmp_path / "a.nii", phantom()).read_bytes(), np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(content)
        for place in rng.integers(0, 352, rng.integers(1, 5)):
            damaged[place] = rng.integers(256)
        (tmp_path / "b.nii").write_bytes(damaged)
        try:
            assert read(tmp_path / "b.nii")[0].array.size
        except InputError as error:
            assert str(error).startswith("P1: arterial: ")


def test_color_and_complex_images(tmp_path):
    for code, word in [(128, "color"), (32, "complex")]:
        content = bytearray(nifti(tmp_path / "a.nii", phantom()).read_bytes())
        content[70:72] = code.to_bytes(2, "little")
        (tmp_path / "b.nii").write_bytes(content)
        refused(tmp_path / "b.nii", word)


def test_voxels_of_no_size(tmp_path):
    affine = affine_ras()
    affine[:, 1] = 0
    refused(nifti(tmp_path / "a.nii", phantom(), affine), "neither qform nor sform")
    refused(nifti(tmp_path / "b.nii", phantom(), affine_ras(spacing=(250.0, 1.5, 1.5))), "250 mm")


def test_the_description_goes_no_further(tmp_path):
    from nodestage.core import files, volumes

    volume, record = read(nifti(tmp_path / "CANARY.nii.gz", phantom(), text=b"CANARY 19430217"))
    volumes.write_volume(tmp_path / "out.nii", volume)
    files.write_json(tmp_path / "out.json", record)
    assert (
        b"CANARY" not in (tmp_path / "out.nii").read_bytes() + (tmp_path / "out.json").read_bytes()
    )


def test_two_phases_that_do_not_overlap(tmp_path):
    near = cohort.read_ct(nifti(tmp_path / "a.nii", phantom()))
    far = cohort.read_ct(
        nifti(tmp_path / "b.nii", phantom(), affine_ras(origin=(-48.0, -40.0, 400.0)))
    )
    assert cohort.check_overlap(near, near) == pytest.approx(1)
    with pytest.raises(InputError, match="P1: arterial: does not overlap with venous"):
        cohort.check_overlap(near, far, patient="P1")


def test_quality_names_what_to_look_at(tmp_path):
    found = cohort.quality(cohort.read_ct(nifti(tmp_path / "a.nii", phantom())))
    assert found["slices"] == 24 and found["coverage_mm"] == [60, 96, 96]
    assert sum(found["hu_share"]) == pytest.approx(1, abs=1e-4)
    assert any("covers 60 mm" in w for w in found["warnings"])
    inside = nifti(tmp_path / "b.nii", noisy(inside=True).astype("i2"))
    assert any("no air" in w for w in cohort.quality(cohort.read_ct(inside))["warnings"])


def test_a_child_small_field_of_view(tmp_path):
    affine = affine_ras(spacing=(0.625, 0.3, 0.3))
    volume, _ = read(nifti(tmp_path / "a.nii", phantom(), affine))
    np.testing.assert_allclose(volume.spacing, (0.625, 0.3, 0.3), atol=1e-6)


def test_swapped_phases_are_named():
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[:2], labels[2:] = 8, 10
    known = {"aorta": 8, "portal_splenic_vein": 10}
    arterial = np.where(labels == 8, 320, 120)
    venous = np.where(labels == 8, 150, 170)
    assert cohort.phase_contrast(arterial, venous, labels, known)["warnings"] == []
    swapped = cohort.phase_contrast(venous, arterial, labels, known)
    assert swapped["aorta_arterial"] == 150 and "swapped" in swapped["warnings"][0]
    assert cohort.phase_contrast(arterial, venous, labels * 0, known)["aorta_arterial"] is None


@pytest.mark.parametrize("only", [8, 10])
def test_one_vessel_is_enough_to_name_swapped_phases(only):
    labels = np.full((2, 2, 2), only, np.uint8)
    known = {"aorta": 8, "portal_splenic_vein": 10}
    arterial = np.where(labels == 8, 320, 120)
    venous = np.where(labels == 8, 150, 170)
    assert cohort.phase_contrast(arterial, venous, labels, known)["warnings"] == []
    assert "swapped" in cohort.phase_contrast(venous, arterial, labels, known)["warnings"][0]


def test_a_vessel_with_absurd_hu_is_named_and_decides_nothing():
    """The portal vein's label lies in air, and would pass for one phase as for the other."""
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[:2], labels[2:] = 8, 10
    known = {"aorta": 8, "portal_splenic_vein": 10}
    arterial = np.where(labels == 8, 150, -991)
    venous = np.where(labels == 8, 320, -984)
    found = cohort.phase_contrast(arterial, venous, labels, known)
    assert "portal vein has -991 HU" in found["warnings"][0] and not found["unchecked"]
    assert "the aorta is 150 HU in the arterial and 320 HU" in found["warnings"][1]
    lost = cohort.phase_contrast(arterial, venous, np.where(labels == 8, 0, labels), known)
    assert "neither aorta nor portal vein" in lost["unchecked"]
    assert "swapped" not in " ".join(lost["warnings"])
    assert cohort.phase_contrast(arterial, venous, labels * 0, known)["unchecked"]


def test_an_organ_of_a_volume_that_nobody_has_is_told():
    labels = np.zeros((10, 20, 30), np.uint8)
    labels[:5] = 1  # 3,000 voxels of 400 mm3: 1,200 ml
    volumes = plausible.organ_volumes(labels, {"esophagus": 1, "liver": 2}, (4.0, 10.0, 10.0))
    assert volumes == {"esophagus": 1200.0}
    assert plausible.implausible(volumes) == [("esophagus", 1200.0, 1, 150)]
    assert plausible.implausible({"liver": 1500.0, "sma": 900.0}) == []


def test_median_spacing():
    assert cohort.median_spacing([(5, 0.7, 0.7), (1, 0.8, 0.8), (2, 0.9, 0.9)]) == (2, 0.8, 0.8)


@pytest.mark.skipif(
    not REAL.exists(), reason="the real CT of ../shared/data is not on this machine"
)
def test_real_nifti_equals_simpleitk():
    import SimpleITK as sitk

    path = REAL / "abdomen_ct" / "ct.nii.gz"
    truth = sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS")
    volume, _ = read(path)
    expected = np.rint(sitk.GetArrayFromImage(truth))
    np.testing.assert_array_equal(volume.array, np.clip(expected, -1024, 32767))
    np.testing.assert_allclose(volume.origin, truth.GetOrigin(), atol=1e-3)
    np.testing.assert_allclose(volume.spacing[::-1], truth.GetSpacing(), atol=1e-5)
    assert not [w for w in cohort.quality(volume)["warnings"] if "spine" in w or "upside" in w]
