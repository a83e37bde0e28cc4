"""DICOM folders as a PACS exports them: gaps, duplicates, tilts, other images, frames, identity."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from cohort_phantom import CUBE_MM, cube_mm, dicom_series, enhanced, phantom
from dicom_phantom import (
    CANARY,
    add_strangers,
    assert_is_phantom,
    compress,
    in_tilted_frame,
    plant,
    read,
    refused,
    tilted,
    two_series,
)

from nodestage.cohort.series_names import without_text
from nodestage.core.errors import InputError

REAL = Path(__file__).parents[1] / "../shared/data/real"


def test_plain_series_keeps_every_value_and_place(tmp_path):
    volume, record = read(dicom_series(tmp_path / "d"))
    assert_is_phantom(volume)
    assert record["slices"] == 24


def test_gap_is_named_with_place_and_number(tmp_path):
    keep = [k for k in range(24) if k not in (8, 9, 10)]
    refused(
        dicom_series(tmp_path / "d", keep=keep), "3 slices missing", "2.5 mm", "-12.50", "-2.50"
    )


def test_one_slice_missing_near_an_end(tmp_path):
    refused(dicom_series(tmp_path / "d", keep=[k for k in range(24) if k != 1]), "1 slice missing")


def test_lower_half_at_five_millimeters(tmp_path):
    keep = [0, 2, 4, 6, 8, 10, *range(12, 24)]
    refused(dicom_series(tmp_path / "d", keep=keep), "5", "2.5 mm")


def test_rounded_positions_pass(tmp_path):
    rng = np.random.default_rng(0)
    off = rng.uniform(-5e-4, 5e-4, 24)
    volume, _ = read(
        dicom_series(tmp_path / "d", positions=lambda k: (-48, -40, -30 + 2.5 * k + off[k]))
    )
    np.testing.assert_array_equal(volume.array, phantom())
    assert volume.spacing[0] == pytest.approx(2.5, abs=1e-4)


def test_overlapping_slices_are_placed_by_position_not_thickness(tmp_path):
    def thick(data, k):
        data.SliceThickness = 5

    assert_is_phantom(read(dicom_series(tmp_path / "d", change=thick))[0])


@pytest.mark.parametrize("spacing", [0.625, 5.0])
def test_thin_and_thick_slices_written_to_a_tenth(tmp_path, spacing):
    folder = dicom_series(
        tmp_path / "d", positions=lambda k: (-48, -40, round(-30 + spacing * k, 1))
    )
    assert read(folder)[0].spacing[0] == pytest.approx(spacing, abs=0.005)


def test_a_slice_shifted_sideways(tmp_path):
    folder = dicom_series(
        tmp_path / "d", positions=lambda k: (-48 + 2 * (k == 7), -40, -30 + 2.5 * k)
    )
    refused(folder, "slice 8 of 24", "1.9 mm beside")


def test_same_series_twice_is_dropped_and_counted(tmp_path):
    folder = dicom_series(tmp_path / "d")
    dicom_series(folder / "copy", uid="1.2.826.2")
    volume, record = read(folder)
    assert_is_phantom(volume)
    assert record["copies_dropped"] == 24


def test_same_slices_twice_under_one_series_uid(tmp_path):
    folder = dicom_series(tmp_path / "d")
    dicom_series(folder / "copy")
    volume, record = read(folder)
    assert_is_phantom(volume)
    assert record["copies_dropped"] == 24


@pytest.mark.parametrize("uid", ["1.2.826.1", "1.2.826.2"])
def test_other_pixels_at_six_positions(tmp_path, uid):
    folder = dicom_series(tmp_path / "d")
    changed = phantom()
    changed[5:11] += 3
    dicom_series(folder / "copy", changed, uid=uid)
    refused(folder, "6 of 24 positions", "-17.50", "-5.00")


@pytest.mark.parametrize("degrees", [12, -20, 0.3])
def test_tilted_gantry_is_straightened(tmp_path, degrees):
    orientation, positions = tilted(degrees), lambda k: (-48.0, -40.0, -30 + 2.5 * k)
    array = in_tilted_frame(orientation, positions)

    def tag_is_wrong(data, k):
        data.GantryDetectorTilt = 0

    folder = dicom_series(
        tmp_path / "d",
        array,
        orientation=orientation,
        positions=positions,
        slopes=(1, 0),
        signed=True,
        change=tag_is_wrong,
    )
    volume, record = read(folder)
    assert record["gantry_tilt_deg"] == pytest.approx(abs(degrees), abs=0.01)
    assert record["straightened_deg"] > 0.25
    np.testing.assert_allclose(cube_mm(volume), CUBE_MM, atol=1.0)
    assert volume.array.min() >= -1024
    assert volume.direction == (1, 0, 0, 0, 1, 0, 0, 0, 1)


def test_padding_is_air_before_it_could_blend(tmp_path):
    array = phantom()
    array[:, :6] = -3024

    def pad(data, k):
        data.add_new("PixelPaddingValue", "SS", -3024)

    volume, record = read(
        dicom_series(tmp_path / "d", array, slopes=(1, 0), signed=True, change=pad)
    )
    assert volume.array[:, :6].max() == -1024
    assert record["padding_voxels"] == 24 * 6 * 64
    np.testing.assert_array_equal(volume.array[:, 6:], phantom()[:, 6:])


def test_padding_value_that_is_tissue_elsewhere(tmp_path):
    array = phantom()
    array[:, 0] = 40  # reaches the corners; the body's 40 does not

    def pad(data, k):
        data.add_new("PixelPaddingValue", "SS", 40)

    volume, record = read(
        dicom_series(tmp_path / "d", array, slopes=(1, 0), signed=True, change=pad)
    )
    assert (volume.array[:, 0] == -1024).all()
    np.testing.assert_array_equal(volume.array[:, 1:], phantom()[:, 1:])
    assert record["padding_value_within_tissue"]


def test_strangers_are_left_out_and_counted(tmp_path):
    folder = dicom_series(tmp_path / "d")
    add_strangers(folder)
    volume, record = read(folder)
    assert_is_phantom(volume)
    assert record["left_out"] == {"localizer": 1, "not_ct": 2, "not_dicom": 4}


def test_localizer_alone(tmp_path):
    add_strangers(tmp_path / "d")
    refused(tmp_path / "d", "no axial CT", "1 × localizer", "2 × not ct")


def test_empty_folder(tmp_path):
    refused(tmp_path, "no axial CT", "empty")


def test_two_series_are_listed_with_a_way_to_choose(tmp_path):
    two_series(tmp_path / "d")
    error = refused(
        tmp_path / "d",
        "2 CT series",
        "12 slices",
        "5 mm apart",
        "B20f",
        "24 slices",
        "B70f",
        "`series`",
    )
    assert "CANARY" not in str(error) and "CANARY" in error.full


@pytest.mark.parametrize(
    "choice, slices",
    [("3", 12), ("5", 24), ("#1", 12), ("#2", 24), ("canary SOFT", 12), ("1.2.826.4", 24)],
)
def test_a_series_is_chosen(tmp_path, choice, slices):
    two_series(tmp_path / "d")
    assert read(tmp_path / "d", series=choice)[0].array.shape[0] == slices
    kept = without_text(choice)  # what a job is given: no text, no UID
    assert kept == choice or ("CANARY" not in kept.upper() and "1.2.826" not in kept)
    assert (kept == choice) is (len(choice) <= 2)
    assert read(tmp_path / "d", series=kept)[0].array.shape[0] == slices


def test_a_choice_that_is_not_there(tmp_path):
    two_series(tmp_path / "d")
    refused(tmp_path / "d", "number 7", "3, 5", series="7")


def test_two_phases_in_one_series_are_two_series(tmp_path):
    def phase(number):
        def change(data, k):
            data.AcquisitionNumber = number

        return change

    folder = dicom_series(tmp_path / "d", change=phase(1))
    dicom_series(folder / "second", phantom() + 20, change=phase(2))
    refused(folder, "2 CT series", "#2")
    assert read(folder, series="#2")[0].array.max() == 920


def test_bolus_tracking_slices_are_left_out(tmp_path):
    folder = dicom_series(tmp_path / "d")
    for n in range(4):
        dicom_series(folder / f"bolus{n}", keep=[3], uid="1.2.826.7", array=phantom() + n)
    volume, record = read(folder)
    assert_is_phantom(volume)
    assert record["left_out"] == {"pieces_of_one_or_two_slices": 4}


def test_another_patients_slices(tmp_path):
    def other(data, k):
        data.PatientID = "CANARY"

    folder = dicom_series(tmp_path / "d", keep=range(12))
    dicom_series(folder, keep=range(12, 24), change=other, names=lambda k: f"b{k}")
    assert "CANARY" not in str(refused(folder, "2 patients"))


def test_enhanced_file_is_ordered_by_frame_positions(tmp_path):
    enhanced(tmp_path / "d" / "x.dcm", order=np.random.default_rng(1).permutation(24))
    assert_is_phantom(read(tmp_path / "d")[0])
    assert_is_phantom(read(tmp_path / "d" / "x.dcm")[0])


def test_two_enhanced_files_are_two_series(tmp_path):
    enhanced(tmp_path / "d" / "x.dcm", uid="1.2.826.8")
    enhanced(tmp_path / "d" / "y.dcm", phantom() + 30, uid="1.2.826.9")
    refused(tmp_path / "d", "2 CT series", "24 slices")
    assert read(tmp_path / "d", series="9")[0].array.max() == 930


@pytest.mark.parametrize(
    "syntax, words",
    [
        ("1.2.840.10008.1.2.4.99", ("1.2.840.10008.1.2.4.99", "Install")),
        ("1.2.840.10008.1.2.4.94", ("JPIP",)),
    ],
)
def test_an_unknown_transfer_syntax_is_named(tmp_path, syntax, words):
    folder = dicom_series(tmp_path / "d", encode=compress("1.2.840.10008.1.2.4.90"), keep=range(5))
    path = sorted(folder.iterdir())[2]
    known = b"1.2.840.10008.1.2.4.90"
    assert known in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(known, syntax.encode(), 1))
    refused(folder, *words)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    "syntax",
    ["1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90", "deflated"],
    ids=["RLE", "JPEG-LS", "JPEG 2000", "deflated"],
)
def test_compressed_series_are_exact(tmp_path, syntax, signed):
    slopes = (1, 0) if signed else (1, -1024)
    folder = dicom_series(tmp_path / "d", signed=signed, slopes=slopes, encode=compress(syntax))
    assert_is_phantom(read(folder)[0])


@pytest.mark.parametrize("kind", ["JPEGLosslessProcess14_1", "JPEGLosslessProcess14"])
@pytest.mark.parametrize("signed", [False, True])
def test_lossless_jpeg_is_exact(tmp_path, kind, signed):
    gdcm = pytest.importorskip("gdcm")
    slopes = (1, 0) if signed else (1, -1024)
    folder = dicom_series(tmp_path / "d", signed=signed, slopes=slopes)
    for path in folder.iterdir():
        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, kind)))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(path))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
    assert_is_phantom(read(folder)[0])


def test_per_slice_rescale_is_each_slices_own(tmp_path):
    folder = dicom_series(tmp_path / "d", slopes=lambda k: (1 + k % 2, -1024 - 2 * k))
    volume, _ = read(folder)
    assert abs(volume.array.astype(int) - phantom()).max() <= 1  # a slope of 2 rounds


def test_twelve_bits_with_an_overlay_above_them(tmp_path):
    def overlay(data, k):
        values = np.frombuffer(data.PixelData, "<u2").copy()
        values[::5] |= 0x8000
        data.PixelData = values.tobytes()

    assert_is_phantom(read(dicom_series(tmp_path / "d", stored=12, change=overlay))[0])


def test_twelve_bits_signed(tmp_path):
    def mask(data, k):
        values = np.frombuffer(data.PixelData, "<i2").astype("<u2") & 0x0FFF
        data.PixelData = values.tobytes()

    assert_is_phantom(
        read(dicom_series(tmp_path / "d", stored=12, signed=True, slopes=(1, 0), change=mask))[0]
    )


def test_files_without_preamble_are_read(tmp_path):
    folder = dicom_series(tmp_path / "d")
    for path in folder.iterdir():
        content = path.read_bytes()
        path.write_bytes(content[132:])
    assert_is_phantom(read(folder)[0])


def test_a_slice_cut_short(tmp_path):
    folder = dicom_series(tmp_path / "d")
    path = sorted(folder.iterdir())[3]
    path.write_bytes(path.read_bytes()[:-3000])
    refused(folder, "cut short", "cut short")


def test_random_damage_to_a_header_never_ends_in_a_traceback(tmp_path):
    folder, rng = dicom_series(tmp_path / "d", keep=range(5)), np.random.default_rng(0)
    path = sorted(folder.iterdir())[2]
    content = path.read_bytes()
    for _ in range(60):
        damaged = bytearray(content)
        for place in rng.integers(128, 1000, rng.integers(1, 5)):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            assert read(folder)[0].array.size
        except InputError as error:
            assert str(error).startswith("P1: venous: ")


def test_material_maps_are_not_taken_for_hu(tmp_path):
    def iodine(data, k):
        data.RescaleType = "MGML"

    folder = dicom_series(tmp_path / "d", change=iodine)
    refused(folder, "not in hu")
    dicom_series(folder / "true", uid="1.2.826.5")
    assert_is_phantom(read(folder)[0])


def test_a_lost_rescale_intercept_is_noticed(tmp_path):
    def lose(data, k):
        del data.RescaleIntercept, data.RescaleSlope

    folder = dicom_series(tmp_path / "d", change=lose)
    refused(folder, "shifted by 1024", "hu_offset")
    assert_is_phantom(read(folder, hu_offset=-1024)[0])


def test_feet_first_and_reversed_slices_come_out_canonical(tmp_path):
    flipped = phantom()[:, ::-1, ::-1]
    folder = dicom_series(
        tmp_path / "d",
        flipped,
        orientation=(-1, 0, 0, 0, -1, 0),
        positions=lambda k: (-48 + 63 * 1.5, -40 + 63 * 1.5, -30 + 2.5 * k),
    )
    volume, record = read(folder)
    assert_is_phantom(volume)
    assert record["reoriented"]


def test_any_path_works(tmp_path):
    folder = dicom_series(tmp_path / "Münster" / "静脉 期 (1)")
    assert_is_phantom(read(folder)[0])


def test_no_identifier_passes_the_door(tmp_path):
    from nodestage.core import files, volumes

    folder = dicom_series(
        tmp_path / CANARY, change=plant, uid="1.2.826.19430217", names=lambda k: f"{CANARY}{k}.dcm"
    )
    volume, record = read(folder)
    volumes.write_volume(tmp_path / "out" / "a.nii", volume)
    files.write_json(tmp_path / "out" / "a.json", record)
    for path in (tmp_path / "out").iterdir():
        content = path.read_bytes()
        assert CANARY.encode() not in content and b"19430217" not in content
    assert CANARY not in repr(volume) + repr(record)


@pytest.mark.parametrize("fault", ["gap", "two", "copies", "patients", "none", "choice", "damaged"])
def test_no_identifier_in_any_message(tmp_path, fault):
    folder, choice = tmp_path / CANARY, ""
    keep = [k for k in range(24) if k != 9] if fault == "gap" else None
    dicom_series(folder, change=plant, keep=keep, names=lambda k: f"{CANARY}{k}")
    if fault == "two":
        dicom_series(folder / "b", phantom() + 9, change=plant, uid="1.2.826.19430217")
    if fault == "copies":
        changed = phantom()
        changed[4] += 1
        dicom_series(folder / "b", changed, change=plant, uid="1.2.826.19430217")
    if fault == "patients":
        dicom_series(folder / "b", phantom() + 9, uid="1.2.826.19430217")
    if fault == "none":
        shutil.rmtree(folder)
        (folder / CANARY).mkdir(parents=True)
        (folder / f"{CANARY}.txt").write_text(CANARY)
    if fault == "choice":
        choice = "Portal CANARY late"
    if fault == "damaged":
        path = sorted(folder.iterdir())[0]
        path.write_bytes(path.read_bytes()[:-3000])
    error = refused(folder, series=choice)
    assert CANARY not in str(error) and "1943" not in str(error)


def test_an_offset_moves_tissue_and_not_padding(tmp_path):
    array = phantom()
    array[:, :4] = -2000

    def pad(data, k):
        data.add_new("PixelPaddingValue", "SS", -2000)

    folder = dicom_series(tmp_path / "d", array, slopes=(1, 0), signed=True, change=pad)
    volume, _ = read(folder, hu_offset=100)
    assert (volume.array[:, :4] == -1024).all() and volume.array.max() == 1000


def test_two_slices_are_no_volume(tmp_path):
    refused(
        dicom_series(tmp_path / "d", keep=[3, 4]), "no axial CT", "2 × pieces of one or two slices"
    )


def test_file_names_and_instance_numbers_decide_nothing(tmp_path):
    folder = dicom_series(tmp_path / "d", names=lambda k: f"{23 - k:03d}")
    assert_is_phantom(read(folder)[0])


@pytest.mark.skipif(
    not REAL.exists(), reason="the real CT of ../shared/data is not on this machine"
)
def test_real_dicom_series_equals_simpleitk():
    import SimpleITK as sitk

    folder = REAL / "dicom_ct" / "CRLM-CT-1004"
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    truth = reader.Execute()
    volume, record = read(folder)
    expected = sitk.GetArrayFromImage(truth)
    np.testing.assert_array_equal(volume.array, np.maximum(expected, -1024))
    np.testing.assert_allclose(volume.origin, truth.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(volume.spacing[::-1], truth.GetSpacing(), atol=1e-5)
    assert record["padding_voxels"] == np.count_nonzero(expected < -1024)
