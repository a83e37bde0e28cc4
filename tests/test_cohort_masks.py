"""Masks from outside: grids, values, and another tool's class ids."""

from pathlib import Path

import numpy as np
import pytest
from cohort_phantom import CUBE, ORIGIN, SHAPE, SPACING, affine_ras, dicom_series, nifti, phantom
from nifti_phantom import KNOWN, cube, sheared, shifted, turned

from nodestage import cohort
from nodestage.core.errors import InputError
from nodestage.core.volumes import Volume

REAL = Path(__file__).parents[1] / "../shared/data/real"
VOXEL = float(np.prod(SPACING))


@pytest.fixture
def image(tmp_path):
    return cohort.read_ct(nifti(tmp_path / "ct.nii", phantom()))


def read(path, image=None, role="tumor", **more):
    more = {"known": KNOWN} | more if role == "organs" else more
    rules = cohort.MaskRules(role, **more)
    return cohort.read_mask_with_record(path, rules, image, patient="P1", column=role)


def refused(path, *words, image=None, role="tumor", **more):
    with pytest.raises(InputError) as error:
        read(path, image, role, **more)
    for word in (f"P1: {role}: ", *words):
        assert word in str(error.value), str(error.value)
    assert str(path) not in str(error.value)


def assert_is_cube(volume, image):
    np.testing.assert_array_equal(volume.array, cube())
    assert volume.array.dtype == np.uint8
    assert (volume.spacing, volume.origin) == (image.spacing, image.origin)


def test_an_origin_off_by_rounding_is_snapped(tmp_path, image):
    volume, record = read(nifti(tmp_path / "m.nii", cube(), shifted(1e-5)), image)
    assert_is_cube(volume, image)
    assert 0 < record["snapped_voxels"] < 1e-3


@pytest.mark.parametrize("mm", [0.75, 5.0])
def test_half_a_voxel_and_five_millimeters_are_refused_with_both_grids(tmp_path, image, mm):
    path = nifti(tmp_path / "m.nii", cube(), shifted(mm))
    refused(
        path,
        "64 × 64 × 24 voxels of 1.5 × 1.5 × 2.5 mm at (-48.000",
        f"at ({-48 - mm:.3f}",
        image=image,
    )
    volume, record = read(path, image, resample=True)
    assert record["resampled"] == "nearest neighbour"
    assert record["volume_mm3_as_drawn"] == {"1": 144 * VOXEL}
    assert volume.array.sum() == pytest.approx(144, rel=0.2)


def test_one_slice_short(tmp_path, image):
    path = nifti(tmp_path / "m.nii", cube()[:-1])
    refused(path, "64 × 64 × 23", "64 × 64 × 24", "mask_phase", image=image)
    assert_is_cube(read(path, image, resample=True)[0], image)


@pytest.mark.parametrize(
    "order, signs", [((2, 0, 1), (1, -1, 1)), ((0, 1, 2), (-1, -1, -1)), ((1, 0, 2), (1, 1, 1))]
)
def test_another_axis_order_is_reoriented(tmp_path, image, order, signs):
    stored = cube().transpose(order)[tuple(slice(None, None, s) for s in signs)]
    volume, record = read(nifti(tmp_path / "m.nii.gz", stored, turned(order, signs)), image)
    assert_is_cube(volume, image)
    assert record["reoriented"]


def test_a_mask_drawn_on_thick_slices_of_the_other_phase(tmp_path, image):
    thick = affine_ras(spacing=(5.0, 1.5, 1.5), origin=(-48.0, -40.0, -28.75))
    path = nifti(tmp_path / "m.nii", cube()[::2], thick)
    refused(path, "64 × 64 × 12", "5 mm", image=image)
    volume, record = read(path, image, resample=True)
    assert record["volume_mm3"] == record["volume_mm3_as_drawn"]
    assert_is_cube(volume, image)


def test_a_mask_elsewhere_is_refused_even_if_resampling_is_asked_for(tmp_path, image):
    refused(
        nifti(tmp_path / "m.nii", cube(), shifted(900)),
        "does not overlap with its image",
        image=image,
        resample=True,
    )


@pytest.mark.parametrize("degrees", [0.0057, 0.3, 8])
def test_ct_and_mask_are_straightened_alike(tmp_path, degrees):
    affine = sheared(np.radians(degrees))
    image = cohort.read_ct(nifti(tmp_path / "ct.nii", phantom(), affine))
    volume, record = read(nifti(tmp_path / "m.nii", cube(), affine), image)
    assert volume.array.shape == image.array.shape
    assert record["volume_mm3"]["1"] == pytest.approx(record["volume_mm3_as_drawn"]["1"], rel=0.05)
    bright = image.array > 700
    assert (bright & (volume.array == 1)).sum() > 0.9 * bright.sum()


def test_a_mask_on_a_dicom_series(tmp_path):
    image = cohort.read_ct(dicom_series(tmp_path / "d"))
    assert_is_cube(read(nifti(tmp_path / "m.nii.gz", cube()), image)[0], image)


def test_a_mask_on_a_tilted_series_is_straightened_with_it(tmp_path):
    angle = np.radians(12)
    orientation = (1, 0, 0, 0, np.cos(angle), np.sin(angle))
    image = cohort.read_ct(dicom_series(tmp_path / "d", orientation=orientation))
    affine = affine_ras()
    affine[:3, 1] = 0, -1.5 * np.cos(angle), 1.5 * np.sin(angle)
    volume, record = read(nifti(tmp_path / "m.nii.gz", cube(), affine), image)
    bright = image.array > 700
    assert (bright & (volume.array == 1)).sum() > 0.9 * bright.sum()
    assert record["straightened_deg"] == pytest.approx(12, abs=0.01)


@pytest.mark.parametrize(
    "array, slope, noted",
    [
        (cube("f8"), 0, False),
        (cube("f8", 0.9999999), 0, False),
        (cube("i2"), 0, False),
        (cube("u1", 255), 0, True),
        (cube("u1"), 1 / 255, True),
        (cube("f4", 0.00392), 0, True),
    ],
)
def test_binary_masks_however_stored(tmp_path, image, array, slope, noted):
    volume, record = read(nifti(tmp_path / "m.nii", array, slope=slope), image)
    assert_is_cube(volume, image)
    assert ("foreground_value" in record) == noted


def test_nan_is_counted(tmp_path):
    array = cube("f4")
    array[0, 0, :9] = np.nan
    refused(nifti(tmp_path / "m.nii", array), f"9 of {array.size}", "NaN")


@pytest.mark.parametrize(
    "role, value", [("tumor", 25), ("tumor", 2), ("organs", 25), ("lymph_nodes", 3)]
)
def test_an_id_too_many_is_named_with_its_voxels(tmp_path, role, value):
    refused(nifti(tmp_path / "m.nii", cube("f4", value)), f"id {value} (144 voxels)", role=role)


@pytest.mark.parametrize(
    "role, value", [("lymph_nodes", 255), ("lymph_nodes", 0.5), ("organs", 1.5), ("tumor", -1)]
)
def test_values_that_mean_nothing(tmp_path, role, value):
    refused(nifti(tmp_path / "m.nii", cube("f4", value)), f"{value}", role=role)


@pytest.mark.parametrize("role", ["tumor", "organs", "lymph_nodes"])
def test_the_ct_itself_in_the_mask_column(tmp_path, role):
    refused(
        nifti(tmp_path / "m.nii", phantom()), "from -1000 to 900", "an image, not a mask", role=role
    )


@pytest.mark.parametrize("role", ["tumor", "organs", "lymph_nodes"])
def test_all_zero_means_looked_at(tmp_path, image, role):
    volume, record = read(nifti(tmp_path / "m.nii", np.zeros(SHAPE, "u1")), image, role)
    assert not volume.array.any() and record["empty"]


def test_a_mask_that_touches_an_edge_says_so(tmp_path):
    array = cube()
    array[-1, 20, 20] = 1
    assert read(nifti(tmp_path / "m.nii", array))[1]["touches_edge"] == {"1": ["top"]}


def coarse_image():
    """A CT at 6 mm beside masks drawn at 1.5 mm."""
    return Volume(np.zeros((10, 16, 16), np.int16), (6.0, 6.0, 6.0), ORIGIN)


def test_a_node_finer_than_the_grid_keeps_a_voxel(tmp_path):
    array = np.zeros(SHAPE, "u1")
    array[10, 30, 30] = 2  # one voxel, between the voxels of the coarse grid
    array[4:12, 8:20, 8:20] = 1
    path = nifti(tmp_path / "m.nii", array)
    volume, record = read(path, coarse_image(), "lymph_nodes", resample=True)
    assert np.count_nonzero(volume.array == 2) == 1 and record["small_structures_kept"] == 1
    where = np.argwhere(volume.array == 2)[0] * 6.0
    drawn_at = np.array([10, 30, 30]) * SPACING
    assert np.abs(where - drawn_at).max() <= 3.0
    assert record["volume_mm3_as_drawn"]["2"] == pytest.approx(np.prod(SPACING))


def test_what_lies_outside_the_image_is_recorded_and_nothing_inside_is_an_error(tmp_path):
    array = np.zeros(SHAPE, "u1")
    array[10:14, 60:64, 30:34] = 2  # behind an image of 48 rows at 1.5 mm
    small = Volume(np.zeros((24, 48, 64), np.int16), SPACING, ORIGIN)
    path = nifti(tmp_path / "m.nii", array)
    refused(path, "all that was drawn", "outside", image=small, role="lymph_nodes", resample=True)
    array[10:14, 20:24, 30:34] = 1
    array[10:14, 46:50, 10:14] = 2
    path = nifti(tmp_path / "m.nii", array)
    volume, record = read(path, small, "lymph_nodes", resample=True)
    assert set(np.unique(volume.array)) == {0, 1, 2}
    assert record["structures_outside"] == 1 and record["structures_cut"] == 1
    assert record["outside_mm3"] == pytest.approx((64 + 32) * np.prod(SPACING))


def test_a_voxel_of_a_tilted_mask_survives_straightening(tmp_path):
    angle = np.radians(12)
    affine = affine_ras()
    affine[1, 2], affine[2, 2] = -2.5 * np.sin(angle), 2.5 * np.cos(angle)
    array = np.zeros(SHAPE, "u1")
    array[10, 30, 30], array[15, 11, 40] = 2, 1
    volume, record = read(nifti(tmp_path / "m.nii", array, affine), role="lymph_nodes")
    assert set(np.unique(volume.array)) == {0, 1, 2} and record["straightened_deg"] > 10


def test_a_value_that_rounds_to_zero_is_background(tmp_path, image):
    array = cube("f4")
    array[0, 0, 0] = -1e-7
    assert_is_cube(read(nifti(tmp_path / "m.nii", array), image)[0], image)


def test_not_a_mask_file(tmp_path):
    (tmp_path / "seg.dcm").write_bytes(b"x")
    refused(tmp_path / "seg.dcm", "not a mask by its name or content", "DICOM SEG")
    refused(tmp_path, "a folder with no DICOM SEG or RTSTRUCT")
    refused(nifti(tmp_path / "m.nii", np.stack([cube()] * 2)), "more than one volume")


def test_nodes_of_another_tool_can_be_the_other_way_round(tmp_path):
    array = cube() + 1
    array[:12] = 0
    volume, _ = read(
        nifti(tmp_path / "m.nii", array),
        role="lymph_nodes",
        label_system={"negative": 2, "positive": 1},
    )
    assert set(np.unique(volume.array[CUBE])) == {1} and volume.array[-1, 0, 0] == 2


THEIRS = {"spleen": 1, "liver": [5, 105], 11: 7, "ignore": [52]}


def test_map_labels_joins_renames_and_ignores():
    mask = np.array([[[0, 1, 5, 105, 7, 52]]], np.int16)
    found = cohort.map_labels(mask, THEIRS, KNOWN)
    np.testing.assert_array_equal(found, [[[0, 1, 6, 6, 11, 0]]])
    assert found.dtype == np.uint8


@pytest.mark.parametrize(
    "system, word",
    [
        (THEIRS, r"id 63 \(1 voxels\)"),
        (None, r"id 63 \(1 voxels\)"),
        ({"splen": 63}, "'splen', which is not ours"),
        ({"spleen": 63, "liver": [63]}, "id 63 to two classes"),
    ],
)
def test_map_labels_says_what_it_does_not_know(system, word):
    with pytest.raises(InputError, match=word):
        cohort.map_labels(np.array([[[0, 63]]]), system, KNOWN)


def test_map_labels_with_the_rest_ignored():
    found = cohort.map_labels(np.array([[[0, 63, 5]]]), {"liver": 5, "ignore": "others"}, KNOWN)
    np.testing.assert_array_equal(found, [[[0, 0, 6]]])


@pytest.mark.skipif(
    not REAL.exists(), reason="the real CT of ../shared/data is not on this machine"
)
def test_real_organs_in_another_tools_ids():
    image = cohort.read_ct(REAL / "abdomen_ct" / "ct.nii.gz")
    path = REAL / "abdomen_ct" / "organs.nii.gz"
    refused(path, "label_system", image=image, role="organs")
    system = {"spleen": 1, "liver": 5, "pancreas": 7, "ignore": "others"}
    volume, record = read(path, image, "organs", label_system=system)
    assert set(np.unique(volume.array)) == {0, 1, 6, 11}
    assert 1e6 < record["volume_mm3"]["6"] < 2.5e6
