"""Masks as .seg.nrrd and .nrrd of 3D Slicer, and as .mha and .mhd."""

import gzip
import os

import numpy as np
import pytest
import SimpleITK as sitk
from drawing_files import (
    WAYS,
    ball,
    lying,
    read,
    slicer_fields,
    write_nifti,
    write_nrrd,
)

from nodestage.core.errors import InputError

TUMOR, NODE, LIVER = ball((12, 30, 36), 9), ball((15, 20, 20), 4), ball((10, 44, 24), 14)
NAMES = {
    "tumor": ["PDAC"],
    "lymph_nodes": {"positive": ["LN +*"]},
    "organs": {"liver": ["Hepar"], "pancreas": ["Pancreas", "PDAC"]},
}
SEGMENTS = {"Hepar": (1, 0), "PDAC": (2, 0), "LN + 1": (1, 1), "Pancreas": (2, 1)}


def layers():
    """Hepar and PDAC in one layer; a node and a pancreas, which overlap with them, in another."""
    both = np.zeros((*TUMOR.shape, 2), np.uint8)
    both[LIVER, 0], both[TUMOR, 0] = 1, 2
    both[NODE, 1] = 1
    both[ball((12, 36, 30), 9), 1] = 2
    return both


def refused(path, *words, series=None, **more):
    with pytest.raises(InputError) as error:
        read(path, series, **more)
    for word in ("P1: ", *words):
        assert word in str(error.value), str(error.value)
    assert str(path) not in str(error.value)
    return error.value


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("space", ["left-posterior-superior", "right-anterior-superior"])
def test_the_same_voxels_as_the_nifti_file_however_the_series_lies(tmp_path, way, space):
    series = lying(way)
    path = write_nrrd(
        tmp_path / "s.seg.nrrd", layers(), series.affine, slicer_fields(SEGMENTS), space=space
    )
    volume, record = read(path, series, segments=NAMES)
    expected, by_nifti = read(write_nifti(tmp_path / "m.nii", TUMOR, series), series, source=None)
    np.testing.assert_array_equal(volume.array, expected.array)
    assert (volume.spacing, volume.origin) == (expected.spacing, expected.origin)
    assert record["volume_mm3"] == by_nifti["volume_mm3"]


def test_layers_hold_segments_that_overlap(tmp_path):
    series = lying("straight")
    path = write_nrrd(tmp_path / "s.seg.nrrd", layers(), series.affine, slicer_fields(SEGMENTS))
    organs, record = read(path, series, "organs", segments=NAMES)
    pancreas = ball((12, 36, 30), 9) | TUMOR
    np.testing.assert_array_equal(organs.array == 11, pancreas)
    np.testing.assert_array_equal(organs.array == 6, LIVER & ~pancreas)
    assert record["overlap_mm3"] > 0
    nodes, record = read(path, series, "lymph_nodes", segments=NAMES)
    np.testing.assert_array_equal(nodes.array == 2, NODE)


@pytest.mark.parametrize("way", ["feet first", "tilted", "oblique"])
def test_a_file_cropped_to_what_was_drawn_comes_back_onto_the_whole_grid(tmp_path, way):
    series = lying(way)
    corner = np.array([8, 20, 26])  # k, j, i
    part = TUMOR[8:17, 20:41, 26:47].astype("u1")
    affine = series.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ corner[::-1]
    path = write_nrrd(tmp_path / "s.seg.nrrd", part, affine, slicer_fields({"tumor": (1, 0)}))
    expected, _ = read(write_nifti(tmp_path / "m.nii", TUMOR, series), series, source=None)
    np.testing.assert_array_equal(read(path, series)[0].array, expected.array)


def test_a_file_larger_than_the_image_is_cut_and_counted(tmp_path):
    series = lying("straight")
    large = np.pad(TUMOR, ((3, 0), (0, 0), (0, 0))).astype("u1")
    large[0, 5, 5] = 1
    affine = series.affine.copy()
    affine[:3, 3] -= 3 * affine[:3, 2]
    path = write_nrrd(tmp_path / "s.seg.nrrd", large, affine, slicer_fields({"tumor": (1, 0)}))
    volume, record = read(path, series)
    np.testing.assert_array_equal(volume.array, TUMOR)
    assert record["outside_mm3"] == pytest.approx(2.5 * 1.5**2)


def test_a_name_decides_and_never_a_number(tmp_path):
    series = lying("straight")
    array = TUMOR.astype("u1") * 40 + LIVER.astype("u1") * 1
    fields = slicer_fields({"Hepar": (1, 0), "PDAC": (40, 0)})
    path = write_nrrd(tmp_path / "s.seg.nrrd", array, series.affine, fields)
    np.testing.assert_array_equal(read(path, series, segments=NAMES)[0].array, TUMOR)


def test_a_file_of_an_old_slicer_has_a_layer_per_segment(tmp_path):
    series = lying("straight")
    array = np.stack([LIVER, TUMOR], -1).astype("u1")
    fields = {"Segment0_Name": "Hepar", "Segment1_Name": "PDAC"}
    path = write_nrrd(tmp_path / "s.nrrd", array, series.affine, fields)
    np.testing.assert_array_equal(read(path, series, segments=NAMES)[0].array, TUMOR)


def test_values_of_no_segment_are_refused(tmp_path):
    series = lying("straight")
    array = TUMOR.astype("u1") + 6 * NODE.astype("u1")
    path = write_nrrd(
        tmp_path / "s.seg.nrrd", array, series.affine, slicer_fields({"tumor": (1, 0)})
    )
    refused(path, "voxels of the value 6 belong to none of its segments", series=series)


def test_an_unknown_name_is_listed_on_the_terminal_alone(tmp_path):
    series = lying("straight")
    fields = slicer_fields({"Tumor": (1, 0), "CANARY": (2, 0)})
    path = write_nrrd(tmp_path / "s.seg.nrrd", TUMOR.astype("u1"), series.affine, fields)
    error = refused(path, "1 of its 2 segments has a name", series=series)
    assert "CANARY" not in str(error) and "'CANARY'" in error.full


@pytest.mark.parametrize("name", ["m.nrrd", "m.mha", "m.mhd", "packed.mha", "packed.mhd"])
@pytest.mark.parametrize("way", ["straight", "oblique", "feet first"])
def test_a_label_map_without_names_is_read_as_nifti_is(tmp_path, name, way):
    series = lying(way)
    path = tmp_path / name
    array = TUMOR.astype("u1") * 7
    if name.endswith("nrrd"):
        write_nrrd(path, array, series.affine)
    else:
        columns = series.affine[:3, :3]
        spacing = np.linalg.norm(columns, axis=0)
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(spacing.tolist())
        image.SetDirection((columns / spacing).ravel().tolist())
        image.SetOrigin(series.affine[:3, 3].tolist())
        sitk.WriteImage(image, str(path), useCompression="packed" in name)
    refused(path, "id 7", series=series)
    volume, _ = read(path, series, label_system={"tumor": 7})
    expected, _ = read(write_nifti(tmp_path / "m.nii", TUMOR, series), series, source=None)
    np.testing.assert_array_equal(volume.array, expected.array)


def written(path, **more):
    return write_nrrd(
        path, TUMOR.astype("u1"), lying("straight").affine, slicer_fields({"tumor": (1, 0)}), **more
    )


@pytest.mark.parametrize(
    "old, new, words",
    [
        (b"sizes: 64 64 24", b"sizes: 9999 9999 9999", "at most"),
        (b"sizes: 64 64 24", b"sizes: 64 64 25", "cut short, or longer"),
        (b"sizes: 64 64 24", b"sizes: 64 64 23", "cut short, or longer"),
        (b"sizes: 64 64 24", b"sizes: 64 64 0", "not one volume"),
        (b"sizes: 64 64 24", b"sizes: 64 x 24", "not one volume"),
        (b"encoding: gzip", b"encoding: bzip2", "another way than gzip"),
        (b"endian: little", b"data file: /etc/passwd", "another file"),
        (b"space: left-posterior-superior", b"space dimension: 3", "how it lies in the patient"),
        (b"type: uchar", b"type: block", "not numbers"),
        (b"NRRD0004", b"NRRX0004", "not an NRRD file"),
        (b"\n\n", b"\n", "header"),
        (b"Segment0_LabelValue:=1", b"Segment0_LabelValue:=x", "labelvalue"),
        (b"Segment0_Layer:=0", b"Segment0_Layer:=4", "layer 4"),
    ],
)
def test_a_header_that_asks_for_trouble_is_refused(tmp_path, old, new, words):
    path = written(tmp_path / "s.seg.nrrd")
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    refused(path, words, series=lying("straight"))


@pytest.mark.parametrize("encoding", ["gzip", "raw"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_copy_that_broke_off_is_refused(tmp_path, encoding, share):
    path = written(tmp_path / "s.seg.nrrd", encoding=encoding)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(path, series=lying("straight"))


def test_a_file_that_unpacks_to_more_than_it_announces_is_refused(tmp_path):
    path = written(tmp_path / "s.seg.nrrd")
    head, packed = path.read_bytes().split(b"\n\n", 1)
    bomb = gzip.compress(bytes(200_000_000), 9)
    path.write_bytes(head + b"\n\n" + bomb)
    refused(path, "longer than its header announces", series=lying("straight"))
    # The length at its end can lie: what comes behind is not unpacked.
    path.write_bytes(head + b"\n\n" + bomb[:-4] + packed[-4:])
    refused(path, series=lying("straight"))


def meta(path, data, *lines):
    """A .mha or .mhd with its header written by hand."""
    head = [
        "ObjectType = Image", "NDims = 3", "BinaryData = True", "BinaryDataByteOrderMSB = False",
        "TransformMatrix = 1 0 0 0 1 0 0 0 1", "Offset = -48 -40 -30", "ElementSpacing = 1.5 1.5 2.5",
        "DimSize = 64 64 24", "ElementType = MET_UCHAR", *lines,
    ]  # fmt: skip
    path.write_bytes("\n".join([*head, ""]).encode() + data)
    return path


@pytest.mark.parametrize(
    "lines, words",
    [
        (["ElementDataFile = /etc/passwd"], "not beside it"),
        (["ElementDataFile = LIST"], "not beside it"),
        (["ElementDataFile = ../m.raw"], "not beside it"),
        (["ElementDataFile = absent.raw"], "not beside it"),
        (["ElementDataFile = pipe"], "not beside it"),
        (["ElementNumberOfChannels = 3", "ElementDataFile = LOCAL"], "not one number each"),
        ([], "not a MetaImage file"),
    ],
)
def test_a_metaimage_that_points_elsewhere_is_refused(tmp_path, lines, words):
    os.mkfifo(tmp_path / "pipe")
    refused(meta(tmp_path / "m.mhd", b"", *lines), words)


def test_a_metaimage_cut_short_or_packed_badly_is_refused(tmp_path):
    data = TUMOR.astype("u1").tobytes()
    path = meta(tmp_path / "m.mha", data, "ElementDataFile = LOCAL")
    np.testing.assert_array_equal(read(path, lying("straight"))[0].array, TUMOR)
    refused(meta(tmp_path / "m.mha", data[:-9], "ElementDataFile = LOCAL"), "cut short")
    packed = ["CompressedData = True", "ElementDataFile = LOCAL"]
    refused(meta(tmp_path / "m.mha", gzip.compress(data * 2), *packed), "cut short, or longer")
    refused(meta(tmp_path / "m.mha", b"\0" * 400, *packed), "cut short, or longer")


def test_pipes_and_folders_are_not_opened(tmp_path):
    for name in ("m.nrrd", "m.mha", "m.dcm", "m"):
        os.mkfifo(tmp_path / name)
        refused(tmp_path / name, "a pipe or device")
    (tmp_path / "d.nrrd").mkdir()
    refused(tmp_path / "d.nrrd", "a folder with no DICOM SEG")
    refused(tmp_path / "absent.nrrd", "not there")
