"""Masks as RTSTRUCT: how contours become voxels, and which are refused."""

import numpy as np
import pytest
from cohort_phantom import SPACING
from drawing_files import (
    WAYS,
    Series,
    ball,
    contours_of,
    lying,
    read,
    refused,
    write_nifti,
    write_rtstruct,
)

from nodestage.cohort.drawings.contours import exclusive, filled, nested

VOXEL = float(np.prod(SPACING))
BALL = ball((12, 30, 36), 9)
SHELL = ball((10, 44, 24), 14) & ~ball((10, 44, 24), 7)
SIZE = (64, 64)


def circle(center, radius, points=400):
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.column_stack([center[0] + radius * np.cos(angle), center[1] + radius * np.sin(angle)])


def in_mm(contour, k, affine):
    """A contour (n, 2) of (i, j) on slice k, as (n, 3) in LPS mm."""
    n = len(contour)
    return np.column_stack([contour, np.full(n, float(k)), np.ones(n)]) @ affine[:3].T


# Contours as pixels


@pytest.mark.parametrize("radius", [3.3, 8.0, 20.7])
def test_a_circle_holds_the_pixels_whose_center_it_holds(radius):
    center = (31.2, 30.7)
    pixels = filled(circle(center, radius, 4000), SIZE)
    j, i = np.indices(SIZE)
    distance = np.hypot(i - center[0], j - center[1])
    sure = np.abs(distance - radius) > 1e-4  # the polygon lies within the circle
    np.testing.assert_array_equal(pixels[sure], (distance < radius)[sure])
    # Gauss's circle problem: the error is far below a ring of half a pixel's width.
    assert abs(pixels.sum() - np.pi * radius**2) < 2 * np.pi * radius * 0.5


def slow(contour, shape):
    """Whether each center is inside, by the number of edges that a ray to the left crosses."""
    inside = np.zeros(shape, bool)
    for j in range(shape[0]):
        for i in range(shape[1]):
            for (x0, y0), (x1, y1) in zip(contour, np.roll(contour, -1, 0), strict=True):
                if (y0 <= j) != (y1 <= j):
                    inside[j, i] ^= x0 + (j - y0) / (y1 - y0) * (x1 - x0) <= i
    return inside


def test_a_contour_of_any_shape_equals_brute_force():
    rng = np.random.default_rng(1)
    for _ in range(30):
        contour = rng.uniform(-3, 15, (rng.integers(3, 12), 2))  # crosses itself and the edge
        np.testing.assert_array_equal(filled(contour, (12, 13)), slow(contour, (12, 13)))


def test_a_square_on_the_borders_of_pixels_is_exactly_its_pixels():
    square = np.array([[9.5, 19.5], [14.5, 19.5], [14.5, 27.5], [9.5, 27.5]])
    expected = np.zeros(SIZE, bool)
    expected[20:28, 10:15] = True
    for contour in (square, square[::-1]):
        np.testing.assert_array_equal(filled(contour, SIZE), expected)


def test_two_contours_through_centers_share_an_edge_without_gap_or_overlap():
    left = np.array([[5, 5], [20, 5], [20, 30], [5, 30]], float)
    right = np.array([[20, 5], [40, 5], [40, 30], [20, 30]], float)
    one, other = filled(left, SIZE), filled(right, SIZE)
    assert not (one & other).any() and one.sum() == 15 * 25 and other.sum() == 20 * 25


def test_a_hole_by_a_keyhole_by_nesting_and_by_exclusive_or_is_the_same():
    outer, inner = circle((30, 30), 15), circle((32, 29), 6)
    keyhole = np.vstack([outer, outer[:1], inner[::-1], inner[-1:]])
    wanted = filled(outer, SIZE) & ~filled(inner, SIZE)
    np.testing.assert_array_equal(filled(keyhole, SIZE), wanted)
    np.testing.assert_array_equal(nested([inner, outer], SIZE)[0], wanted)
    np.testing.assert_array_equal(exclusive([outer, inner], SIZE)[0], wanted)
    assert abs(wanted.sum() - np.pi * (15**2 - 6**2)) < np.pi * (15 + 6)


def test_an_island_in_a_hole_parts_that_overlap_and_a_contour_given_twice():
    outer, inner, island = circle((30, 30), 20), circle((30, 30), 12), circle((30, 30), 5)
    drawn = [filled(one, SIZE) for one in (outer, inner, island)]
    pixels, _ = nested([island, outer, inner, outer], SIZE)
    np.testing.assert_array_equal(pixels, (drawn[0] & ~drawn[1]) | drawn[2])
    a, b = circle((20, 30), 9), circle((30, 30), 9)
    np.testing.assert_array_equal(nested([a, b], SIZE)[0], filled(a, SIZE) | filled(b, SIZE))
    np.testing.assert_array_equal(exclusive([a, b], SIZE)[0], filled(a, SIZE) ^ filled(b, SIZE))


# Structure sets


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("drawn", [BALL, SHELL], ids=["ball", "shell with a hole"])
def test_the_same_voxels_as_the_nifti_file_however_the_series_lies(tmp_path, way, drawn):
    series = lying(way)
    contours = list(contours_of(drawn, series.affine))
    path = write_rtstruct(tmp_path / "r.dcm", {"Tumor": contours}, series)
    volume, record = read(path, series)
    expected, by_nifti = read(write_nifti(tmp_path / "m.nii", drawn, series), series, source=None)
    np.testing.assert_array_equal(volume.array, expected.array)
    assert (volume.spacing, volume.origin) == (expected.spacing, expected.origin)
    assert record["volume_mm3"] == by_nifti["volume_mm3"]
    assert record["volume_mm3_as_drawn"] == pytest.approx(by_nifti["volume_mm3_as_drawn"])


@pytest.mark.parametrize("way", ["straight", "oblique", "tilted, feet first"])
def test_a_cylinder_with_a_hole_has_its_known_volume(tmp_path, way):
    series = lying(way)
    mm = 1.5
    contours = [
        in_mm(circle((33.3, 30.1), radius / mm), k, series.affine)
        for k in range(6, 14)
        for radius in (21.0, 9.0)
    ]
    path = write_rtstruct(tmp_path / "r.dcm", {"tumor": contours}, series)
    drawn = read(path, series)[1]["volume_mm3_as_drawn"]["1"]
    height = 8 * series.headers.lattice.step_mm
    # In the plane of a sheared grid circles stay circles, and slices lie `step_mm` apart.
    exact = np.pi * (21.0**2 - 9.0**2) * height
    surface = 2 * np.pi * (21.0 + 9.0) * height
    assert abs(drawn - exact) < surface * mm / 2
    assert drawn == pytest.approx(exact, rel=0.01)


def test_parts_holes_and_names_tell_segments_apart(tmp_path):
    series = lying("straight")
    other = ball((15, 20, 20), 4)
    segments = {
        "LN neg": list(contours_of(other, series.affine)),
        "LN pos": [
            *contours_of(BALL, series.affine),
            *contours_of(ball((6, 12, 44), 4), series.affine),
        ],
        "BODY": [in_mm(circle((32, 32), 30), k, series.affine) for k in range(24)],
    }
    path = write_rtstruct(tmp_path / "r.dcm", segments, series)
    names = {"lymph_nodes": {"negative": "LN neg", "positive": "LN pos"}, "ignore": ["Body"]}
    volume, record = read(path, series, "lymph_nodes", segments=names)
    np.testing.assert_array_equal(volume.array == 1, other)
    np.testing.assert_array_equal(volume.array == 2, BALL | ball((6, 12, 44), 4))
    assert record["segments_ignored"] == 1


def test_exclusive_or_is_followed_where_the_file_asks_for_it(tmp_path):
    series = lying("straight")
    a, b = circle((20.1, 30.2), 9.3), circle((30.1, 30.3), 9.2)
    contours = [in_mm(one, 8, series.affine) for one in (a, b)]
    path = write_rtstruct(tmp_path / "r.dcm", {"tumor": contours}, series, kind="CLOSEDPLANAR_XOR")
    np.testing.assert_array_equal(
        read(path, series)[0].array[8] == 1, filled(a, SIZE) ^ filled(b, SIZE)
    )


def test_contours_between_slices_are_refused_and_rounded_ones_are_not(tmp_path):
    series = lying("straight")
    contours = list(contours_of(BALL, series.affine))
    rounded = [np.round(one, 1) for one in contours]
    path = write_rtstruct(tmp_path / "r.dcm", {"tumor": rounded}, series)
    assert abs(int(read(path, series)[0].array.sum()) - BALL.sum()) < 0.05 * BALL.sum()
    moved = [one + (0, 0, 1.1) for one in contours]
    path = write_rtstruct(tmp_path / "m.dcm", {"tumor": moved}, series)
    refused(
        path, series, f"{len(contours)} of {len(contours)} contours don't lie on slices", "1.10 mm"
    )
    # Axial contours on a tilted series cross its slices.
    path = write_rtstruct(tmp_path / "t.dcm", {"tumor": contours}, series)
    refused(path, lying("tilted"), "don't lie on slices")


def test_contours_on_every_second_slice_are_refused_and_one_gap_is_counted(tmp_path):
    series = lying("straight")
    by_slice = {round(one[0, 2], 3): one for one in contours_of(BALL, series.affine)}
    contours = [by_slice[z] for z in sorted(by_slice)]
    path = write_rtstruct(tmp_path / "r.dcm", {"tumor": contours[::2]}, series)
    refused(path, series, "they lie 2 slices apart", "interpolate")
    path = write_rtstruct(tmp_path / "g.dcm", {"tumor": contours[:3] + contours[4:]}, series)
    volume, record = read(path, series)
    assert record["slices_skipped"] == 1
    fourth = np.flatnonzero(BALL.any((1, 2)))[3]
    assert volume.array.sum() == BALL.sum() - BALL[fourth].sum()


def test_a_node_smaller_than_a_voxel_keeps_one(tmp_path):
    series = lying("straight")
    tiny = in_mm(circle((20.5, 30.5), 0.3), 8, series.affine)
    path = write_rtstruct(tmp_path / "r.dcm", {"positive lymph node 1": [tiny]}, series)
    _, record = read(path, series, "lymph_nodes")
    assert record["small_structures_kept"] == 1 and record["volume_mm3"] == {"2": VOXEL}


def test_points_and_open_lines_enclose_nothing(tmp_path):
    series = lying("straight")

    def with_a_point(data):
        for k, kind in enumerate(["POINT", "OPEN_PLANAR"]):
            item = data.ROIContourSequence[0].ContourSequence[k]
            item.ContourGeometricType = kind

    contours = list(contours_of(BALL, series.affine))
    path = write_rtstruct(
        tmp_path / "r.dcm", {"tumor": [*contours[:2], *contours]}, series, change=with_a_point
    )
    volume, record = read(path, series)
    np.testing.assert_array_equal(volume.array, BALL)
    assert record["contours_without_area"] == 2


def test_an_empty_segment_was_looked_at(tmp_path):
    series = lying("straight")
    path = write_rtstruct(tmp_path / "r.dcm", {"tumor": []}, series)
    assert read(path, series)[1]["empty"]


def test_contours_beyond_the_image(tmp_path):
    series = lying("straight")
    contours = list(contours_of(BALL, series.affine))
    away = [one + (0, 0, 250) for one in contours]
    path = write_rtstruct(tmp_path / "r.dcm", {"tumor": away}, series)
    refused(path, series, "contours lie outside the image")
    path = write_rtstruct(tmp_path / "s.dcm", {"tumor": [*contours, away[0]]}, series)
    assert read(path, series)[1]["contours_outside"] == 1


def test_contours_of_another_series_are_refused_without_its_uids(tmp_path):
    other = Series(tmp_path / "other", uid="1.2.826.5")
    contours = list(contours_of(BALL, other.affine))
    path = write_rtstruct(tmp_path / "r.dcm", {"tumor": contours}, other)
    refused(path, lying("straight"), "refers to another series than the venous image")

    def frame(data):
        data.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID = "1.2.99"
        data.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = "1.2.99"

    path = write_rtstruct(tmp_path / "f.dcm", {"tumor": contours}, lying("straight"), change=frame)
    refused(path, lying("straight"), "frame of reference")


@pytest.mark.parametrize("text", [b"1e9", b"nan", b"1,5", b"9999999999", b"1\\1", b"twelve"])
def test_numbers_that_are_no_place_are_refused(tmp_path, text):
    series = lying("straight")
    contour = np.full((4, 3), 12345.6789)
    path = write_rtstruct(tmp_path / "r.dcm", {"tumor": [contour]}, series)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"12345.6789", text.ljust(10), 1))
    assert path.read_bytes() != content
    refused(path, series, "P1: tumor: ")


def test_a_copy_that_broke_off_is_refused(tmp_path):
    series = lying("straight")
    path = write_rtstruct(
        tmp_path / "r.dcm", {"tumor": list(contours_of(BALL, series.affine))}, series
    )
    content = path.read_bytes()
    for share in (0.5, 0.9, 0.999):
        path.write_bytes(content[: int(share * len(content))])
        refused(path, series, "P1: tumor: ")


def test_a_contour_of_many_points_takes_little_time():
    contour = circle((256, 256), 200, 200_000)
    assert filled(contour, (512, 512)).sum() == pytest.approx(np.pi * 200**2, rel=1e-3)
