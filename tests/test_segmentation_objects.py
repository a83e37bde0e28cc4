"""Masks as DICOM SEG: binary, fractional, label map; wherever the series lies."""

import os
import runpy
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from cohort_phantom import SHAPE, nifti, phantom
from drawing_files import LABELS, WAYS, Series, ball, lying, read, refused, write_nifti, write_seg

from nodestage import cohort
from nodestage.cohort.ct import ct_headers
from nodestage.cohort.drawings import seg
from nodestage.cohort.drawings.references import Source
from nodestage.core import volumes

SCRIPT = Path(__file__).parents[1] / "workflow" / "scripts" / "annotation.py"

TUMOR, NODE, LIVER = ball((12, 30, 36), 9), ball((15, 20, 20), 4), ball((10, 44, 24), 14)
NAMES = {
    "tumor": ["PDAC"],
    "lymph_nodes": {"negative": ["LN -*"], "positive": ["LN +*"]},
    "organs": {"liver": ["Hepar"], "pancreas": ["Pancreas", "PDAC"]},
}
ALL = {"PDAC": TUMOR, "LN + 1": NODE, "LN - 1": ball((6, 12, 40), 4), "Hepar": LIVER}


@pytest.mark.parametrize(
    "way, kind",
    [(way, "BINARY") for way in WAYS]
    + [("tilted, feet first", "FRACTIONAL"), ("tilted, feet first", "LABELMAP")],
)
def test_the_same_voxels_as_the_nifti_file_however_the_series_lies(tmp_path, way, kind):
    series = lying(way)
    drawn = write_nifti(tmp_path / "m.nii.gz", TUMOR, series)
    path = write_seg(tmp_path / "s.dcm", ALL, series, kind)
    volume, record = read(path, series, segments=NAMES)
    expected, by_nifti = read(drawn, series, source=None)
    np.testing.assert_array_equal(volume.array, expected.array)
    assert (volume.spacing, volume.origin) == (expected.spacing, expected.origin)
    assert volume.array.any() and record["volume_mm3"] == by_nifti["volume_mm3"]
    assert record["volume_mm3_as_drawn"] == pytest.approx(by_nifti["volume_mm3_as_drawn"])
    image = series.image
    assert volume.array.shape == image.array.shape
    np.testing.assert_allclose(volume.origin, image.origin)


def test_one_file_holds_organs_tumor_and_nodes(tmp_path):
    series = lying("straight")
    path = write_seg(tmp_path / "s.dcm", ALL, series)
    organs, _ = read(path, series, "organs", segments=NAMES)
    np.testing.assert_array_equal(organs.array == 6, LIVER)
    np.testing.assert_array_equal(organs.array == 11, TUMOR)  # the pancreas holds the tumor
    nodes, record = read(path, series, "lymph_nodes", segments=NAMES)
    np.testing.assert_array_equal(nodes.array == 2, NODE)
    np.testing.assert_array_equal(nodes.array == 1, ALL["LN - 1"])
    assert record["segments"] == 2


def test_a_name_decides_and_never_a_number(tmp_path):
    series = lying("straight")
    turned_round = dict(reversed(ALL.items()))
    for number, segments in enumerate((ALL, turned_round)):
        path = write_seg(tmp_path / f"{number}.dcm", segments, series)
        np.testing.assert_array_equal(read(path, series, segments=NAMES)[0].array, TUMOR)


def test_half_of_the_maximum_is_the_threshold_of_a_fractional_segment(tmp_path):
    series = lying("straight")
    share = np.zeros(SHAPE)
    share[5, 20:24, 20] = 0.2, 0.49, 0.51, 1.0
    path = write_seg(
        tmp_path / "s.dcm", {"tumor": share}, series, "FRACTIONAL", max_fractional_value=200
    )
    volume, record = read(path, series)
    assert volume.array[5, 20:24, 20].tolist() == [0, 0, 1, 1]
    assert record["fractional_threshold"] == 0.5


def test_a_segment_without_frames_was_looked_at(tmp_path):
    series = lying("straight")
    nothing = np.zeros(SHAPE, bool)
    path = write_seg(tmp_path / "s.dcm", {"tumor": nothing, "Hepar": LIVER}, series)
    volume, record = read(path, series, segments={"organs": NAMES["organs"]})
    assert record["empty"] and not volume.array.any()


def test_a_mask_of_another_series_is_refused_without_its_uids(tmp_path):
    series, other = lying("straight"), Series(tmp_path / "other", uid="1.2.826.5")
    path = write_seg(tmp_path / "s.dcm", {"tumor": TUMOR}, other)
    refused(path, series, "P1: tumor: refers to another series than the venous image")
    both = series.source(arterial=other.headers)
    refused(path, series, "the series of the arterial image", "mask_phase: arterial", source=both)


def test_a_mask_of_another_phase_of_one_series_is_refused(tmp_path):
    series = lying("straight")
    path = write_seg(tmp_path / "s.dcm", {"tumor": TUMOR}, series)
    data = pydicom.dcmread(path)
    for item in data.ReferencedSeriesSequence[0].ReferencedInstanceSequence:
        item.ReferencedSOPInstanceUID += ".9"
    data.save_as(path)
    refused(path, series, "refers to other slices of the same series")


def test_a_mask_of_another_frame_of_reference_is_refused(tmp_path):
    series = lying("straight")
    path = write_seg(tmp_path / "s.dcm", {"tumor": TUMOR}, series)
    data = pydicom.dcmread(path)
    data.FrameOfReferenceUID = "1.2.99"
    data.save_as(path)
    refused(path, series, "its frame of reference is not that of the venous image")


def test_beside_an_image_from_nifti_its_place_alone_is_compared(tmp_path):
    series = lying("tilted")
    path = write_seg(tmp_path / "s.dcm", {"tumor": TUMOR}, series)
    file = nifti(tmp_path / "ct.nii", phantom(), np.diag([-1, -1, 1, 1]) @ series.affine)
    source = Source("venous", {"venous": ct_headers(file)})
    image = cohort.read_ct(file)
    volume, record = cohort.read_mask_with_record(
        path, cohort.MaskRules("tumor"), image, source=source
    )
    assert record["series_not_compared"] and volume.array.shape == image.array.shape
    assert 0.9 < record["volume_mm3"]["1"] / record["volume_mm3_as_drawn"]["1"] < 1.1


def test_names_are_listed_with_what_was_found_on_the_terminal_alone(tmp_path):
    series = lying("straight")
    path = write_seg(tmp_path / "s.dcm", {"PDAC": TUMOR, "CANARY": NODE}, series)
    error = refused(
        path, series, "1 of its 2 segments has a name that the config doesn't know", "PDAC"
    )
    assert "CANARY" not in str(error) and "of these: 'CANARY'" in error.full
    _, record = read(path, series, segments={"ignore": ["canary"]})
    assert record["segments_ignored"] == 1 and "CANARY" not in str(record)
    error = refused(
        path, series, "none of its 2 segments is called LN -*, LN +*", "optional",
        role="lymph_nodes", segments=NAMES | {"ignore": "others"},
    )  # fmt: skip
    assert "its segments: 'PDAC', 'CANARY'" in error.full
    volume, _ = read(
        path,
        series,
        "lymph_nodes",
        segments=NAMES | {"ignore": "others", "optional": ["lymph_nodes"]},
    )
    assert not volume.array.any()


def test_where_nodes_overlap_positive_is_on_top_and_a_node_drawn_as_both_is_refused(tmp_path):
    series = lying("straight")
    beside = ball((15, 20, 23), 4)
    path = write_seg(tmp_path / "s.dcm", {"LN + 1": NODE, "LN - 1": beside}, series)
    volume, record = read(path, series, "lymph_nodes", segments=NAMES)
    np.testing.assert_array_equal(volume.array == 2, NODE)
    assert record["overlap_mm3"] == pytest.approx(np.count_nonzero(NODE & beside) * 2.5 * 1.5**2)
    twice = {"LN + 1": NODE, "LN - 1": NODE | ball((6, 12, 40), 4)}
    path = write_seg(tmp_path / "t.dcm", twice, series)
    refused(
        path, series, "1 node is drawn as negative and as positive",
        role="lymph_nodes", segments=NAMES,
    )  # fmt: skip


def test_where_organs_overlap_the_smaller_one_is_on_top(tmp_path):
    series = lying("straight")
    small = ball((10, 44, 24), 5)
    for number, order in enumerate([("Hepar", "Lien"), ("Lien", "Hepar")]):
        drawn = {"Hepar": LIVER, "Lien": small}
        path = write_seg(tmp_path / f"{number}.dcm", {n: drawn[n] for n in order}, series)
        names = {"organs": {"liver": "Hepar", "spleen": "lien"}}
        volume, _ = read(path, series, "organs", segments=names)
        np.testing.assert_array_equal(volume.array == 1, small)
        np.testing.assert_array_equal(volume.array == 6, LIVER & ~small)


@pytest.mark.parametrize("cut", [0.3, 0.9, 0.999])
def test_a_copy_that_broke_off_is_refused(tmp_path, cut):
    series = lying("straight")
    path = write_seg(tmp_path / "s.dcm", ALL, series)
    content = path.read_bytes()
    path.write_bytes(content[: int(cut * len(content))])
    refused(path, series, "P1: tumor: ", "Copy it again", segments=NAMES)


def test_other_objects_are_refused(tmp_path):
    series = Series(tmp_path / "ct")
    slice_of_ct = next(series.folder.iterdir())
    refused(slice_of_ct, series, "a DICOM object of another kind", "exchanged")
    refused(series.folder, series, "a folder with no DICOM SEG or RTSTRUCT files")
    write_seg(series.folder / "seg", {"tumor": TUMOR}, series)
    np.testing.assert_array_equal(read(series.folder, series)[0].array, TUMOR)
    write_seg(series.folder / "seg2", {"tumor": TUMOR}, series)
    refused(series.folder, series, "a folder with 2 DICOM SEG")


def test_a_segmentation_on_a_grid_of_its_own_needs_resampling(tmp_path):
    series = lying("straight")
    path = write_seg(tmp_path / "s.dcm", {"tumor": TUMOR}, series)
    data = pydicom.dcmread(path)
    for item in data.PerFrameFunctionalGroupsSequence:
        item.PlanePositionSequence[0].ImagePositionPatient[0] += 0.6
    data.save_as(path)
    refused(path, series, "not on the grid of its image", "resample_masks")
    volume, record = read(path, series, resample=True)
    assert record["resampled"] and volume.array.sum() == pytest.approx(TUMOR.sum(), rel=0.01)


def test_the_annotation_job_reads_a_segmentation_of_a_dicom_series(tmp_path):
    """The script with what its rule gives it, on a grid of study spacing."""
    series = lying("tilted, feet first")
    volumes.write_volume(tmp_path / "ct.nii.gz", series.image)
    volumes.write_volume(tmp_path / "grid.nii.gz", series.image)
    job = SimpleNamespace(
        input=SimpleNamespace(
            mask=write_seg(tmp_path / "s.dcm", ALL, series),
            ct=tmp_path / "ct.nii.gz",
            original=series.folder,
            grid=tmp_path / "grid.nii.gz",
            field="",
        ),
        output=SimpleNamespace(mask=tmp_path / "m.nii.gz", record=tmp_path / "m.json"),
        params=SimpleNamespace(
            mask_phase="venous", label_system=None, segments=NAMES, series="", labels=LABELS, resample=False
        ),
        wildcards=SimpleNamespace(patient="P1", role="tumor"),
        log=[tmp_path / "log"],
    )  # fmt: skip
    runpy.run_path(str(SCRIPT), init_globals={"snakemake": job})
    expected, _ = read(write_nifti(tmp_path / "n.nii", TUMOR, series), series, source=None)
    np.testing.assert_array_equal(volumes.read(tmp_path / "m.nii.gz").array, expected.array)
    written = (tmp_path / "m.json").read_text() + (tmp_path / "log").read_text()
    for secret in ("1.2.", "PDAC", "Doe", str(tmp_path)):
        assert secret not in written


@pytest.mark.parametrize(
    "kind, syntax",
    [
        ("BINARY", "1.2.840.10008.1.2"),
        ("BINARY", "1.2.840.10008.1.2.1.99"),
        ("FRACTIONAL", "1.2.840.10008.1.2.5"),
        ("FRACTIONAL", "1.2.840.10008.1.2.4.90"),
        ("LABELMAP", "1.2.840.10008.1.2.4.80"),
    ],
)
def test_however_its_pixels_are_stored(tmp_path, kind, syntax):
    series = lying("straight")
    encoded = {} if kind == "BINARY" else {"transfer_syntax_uid": syntax}
    path = write_seg(tmp_path / "s.dcm", ALL, series, kind, **encoded)
    if kind == "BINARY":
        data = pydicom.dcmread(path)
        data.pixel_array  # noqa: B018  decoded before the syntax is another
        data.file_meta.TransferSyntaxUID = syntax
        pydicom.dcmwrite(path, data)
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(read(path, series, segments=NAMES)[0].array, TUMOR)


def test_more_bytes_than_any_mask_has_are_not_read(tmp_path):
    series = lying("straight")
    path = write_seg(tmp_path / "s.dcm", {"tumor": TUMOR}, series)
    os.truncate(path, 5_000_000_000)  # sparse: it takes no room
    refused(path, series, "5000000000 bytes, at most")


def test_a_header_that_announces_more_than_its_file_holds_is_refused(tmp_path):
    series = lying("straight")
    path = write_seg(tmp_path / "s.dcm", {"tumor": TUMOR}, series)
    data = pydicom.dcmread(path)
    for name, value in (("Rows", 60000), ("Columns", 4096), ("NumberOfFrames", 500_000)):
        changed = pydicom.dcmread(path)
        setattr(changed, name, value)
        changed.save_as(tmp_path / name)
        refused(tmp_path / name, series, "P1: tumor: ")
    del data.PerFrameFunctionalGroupsSequence
    data.save_as(path)
    refused(path, series, "P1: tumor: ")


def test_masks_read_side_by_side_leave_the_stream_of_errors_as_it_was(tmp_path, monkeypatch):
    """`make check` reads in threads; a stream left in another's place loses every error reported later."""
    series = lying("straight")
    path = write_seg(tmp_path / "s.dcm", ALL, series)
    first, second = seg.opened(path), seg.opened(path)
    decodes, first_is_done = threading.Event(), threading.Event()
    decode = type(first._seg).get_stored_frame

    def slow(self, *arguments, **named):
        if self is first._seg:
            decodes.wait(0.5)  # for the second to be between its start and its end
        else:
            decodes.set()
            first_is_done.wait(0.5)
        return decode(self, *arguments, **named)

    monkeypatch.setattr(type(first._seg), "get_stored_frame", slow)
    stream = sys.stderr
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(first.check_last)
        one.add_done_callback(lambda _: first_is_done.set())
        time.sleep(0.05)
        two = pool.submit(second.check_last)
        one.result(), two.result()
    assert sys.stderr is stream
