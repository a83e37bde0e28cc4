"""The nine slices and the crop that networks see of a tumor."""

import numpy as np
import pytest

from nodestage.tumor import slices

SPACING = (2.5, 2.0, 2.0)


@pytest.fixture
def patient():
    """A tumor of 4 x 6 x 8 voxels at a known place, brighter than the rest."""
    mask = np.zeros((20, 30, 40), bool)
    mask[8:12, 10:16, 20:28] = True
    mask[9, 9, 20:28] = True  # slice 9 is the largest axial one
    arterial = np.where(mask, 100, 0).astype(np.int16)
    return arterial, (arterial - 50).astype(np.int16), mask


def test_three_slices_a_plane_the_largest_first(patient):
    images, masks, planes = slices.nine_slices(*patient, SPACING, 32)
    assert images.shape == (9, 2, 32, 32) and images.dtype == np.int16
    assert planes.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert masks[0].sum() == 7 * 8  # z = 9; the others hold 6 x 8
    assert masks[1].sum() == 6 * 8


def test_image_and_mask_stay_together(patient):
    images, masks, _ = slices.nine_slices(*patient, SPACING, 32)
    assert images[:, 0][masks > 0].min() >= 50
    np.testing.assert_array_equal(images[0, 0][masks[0] > 0], 100)


def test_pixels_are_isotropic_in_every_plane(patient):
    _, masks, _ = slices.nine_slices(*patient, SPACING, 32)
    rows = np.flatnonzero(
        masks[6].any(1)
    )  # sagittal: rows are z, 4 slices of 2.5 mm = 5 pixels of 2 mm
    assert len(rows) in (5, 6)


def test_smaller_pixels_lie_between_the_voxels_in_image_and_mask_alike():
    """Pixels of half a voxel: every second one is a voxel's own, those between are means of two."""
    image = np.zeros((6, 8, 8), np.int16)
    image[:] = 100 * np.arange(8)
    mask = np.zeros(image.shape, bool)
    mask[2:4, 2:6, 2:5] = True  # the centroid (2.5, 3.5, 3) is taken to the voxel (2, 4, 3)
    images, masks, planes = slices.nine_slices(image, image, mask, (2, 2, 2), 9, pixel_mm=1.0)
    row = [100, 150, 200, 250, 300, 350, 400, 450, 500]  # from voxel 1 to voxel 5 in x
    np.testing.assert_array_equal(images[0, 0], np.tile(row, (9, 1)))
    share_x = [0, 0.5, 1, 1, 1, 1, 1, 0.5, 0]  # the mask's share of each pixel
    share_y = [1, 1, 1, 1, 1, 1, 1, 0.5, 0]  # voxel 2, the first inside, to voxel 6, outside
    np.testing.assert_array_equal(masks[0], np.outer(share_y, share_x) >= 0.5)
    assert planes[3] == 1 and images[3, 0, 4].tolist() == row


def test_without_a_pixel_size_a_pixel_is_a_voxel_of_the_plane(patient):
    own = slices.nine_slices(*patient, SPACING, 32)
    for found, expected in zip(
        slices.nine_slices(*patient, SPACING, 32, pixel_mm=SPACING[2]), own, strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_air_beyond_the_volume_and_a_one_voxel_tumor_repeats_its_slice():
    mask = np.zeros((5, 6, 7), bool)
    mask[0, 0, 0] = True
    image = np.zeros(mask.shape, np.int16)
    images, masks, _ = slices.nine_slices(image, image, mask, (2, 2, 2), 15)
    assert (images[:, :, 0, 0] == slices.AIR).all()
    assert (masks.sum((1, 2)) == 1).all()
    np.testing.assert_array_equal(images[0], images[1])


def test_crop_keeps_its_shape_at_the_border(patient):
    arterial, _, mask = patient
    found = slices.crop(arterial, mask, (24, 24, 48))
    assert found.shape == (24, 24, 48)
    assert (found == 100).sum() == mask.sum()
    assert found[-1, -1, -1] == slices.AIR


@pytest.mark.parametrize(
    "fallback, pancreas, usable, source",
    [
        ("pancreas", True, True, "pancreas"),
        ("pancreas", False, False, "none"),
        (None, True, False, "none"),
    ],
)
def test_without_a_tumor_the_pancreas_stands_in_only_where_asked(
    patient, fallback, pancreas, usable, source
):
    arterial, venous, mask = patient
    nothing = np.zeros_like(mask)
    settings = slices.ViewSettings(16, (8, 8, 8), fallback)
    pancreas = mask if pancreas else nothing
    found = slices.views(arterial, venous, nothing, pancreas, SPACING, settings)
    assert (found["usable"], found["source"]) == (usable, source)
    assert "no tumor" in found["reason"]


def test_views_come_back_from_disk_unchanged(patient, tmp_path):
    arterial, venous, mask = patient
    found = slices.views(arterial, venous, mask, mask, SPACING, slices.ViewSettings(16, (8, 8, 8)))
    slices.write(tmp_path / "views.npz", found)
    back = slices.read(tmp_path / "views.npz")
    assert back["usable"] is True and back["source"] == "tumor"
    np.testing.assert_array_equal(back["images"], found["images"])


@pytest.mark.parametrize("gap", [6, 14, 16, 20, 36])
def test_parts_far_from_each_other_do_not_leave_the_networks_an_empty_place(patient, gap):
    """The centroid of two parts may lie further from both than a slice or a crop reaches."""
    arterial, venous, _ = patient
    mask = np.zeros_like(arterial, bool)
    mask[9, 14, [0, 1, 2 + gap, 3 + gap]] = True
    _, masks, _ = slices.nine_slices(arterial, venous, mask, SPACING, 16)
    assert masks.any(axis=(1, 2)).all()
    assert slices.crop(mask, mask, (8, 12, 12), fill=0).any()


def test_a_tumor_in_one_piece_is_centered_on_its_centroid(patient):
    """That of a ring lies in its hole, and stays the center."""
    arterial, venous, _ = patient
    ring = np.zeros_like(arterial, bool)
    ring[9, 10:19, 10:19] = True
    ring[9, 12:17, 12:17] = False
    _, masks, _ = slices.nine_slices(arterial, venous, ring, (2.0, 2.0, 2.0), 16)
    rows, columns = np.nonzero(masks[0])
    assert (rows.mean(), columns.mean()) == (8, 8)
