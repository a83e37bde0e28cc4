"""Faults that once passed in silence: each is named, or shown, wherever it comes in."""

import gzip
import json
import zipfile

import numpy as np
import openpyxl
import pydicom
import pytest
from cohort_phantom import SHAPE, dicom_series, enhanced, nifti, phantom
from dicom_phantom import read, refused
from drawing_files import Series, contours_of, write_rtstruct, write_seg
from drawing_files import read as read_mask
from nifti_phantom import cube

from nodestage import cohort
from nodestage.cohort import codes, masks, notices, possible, same, values
from nodestage.cohort.image_quality import quality
from nodestage.core import configs, handwritten, seals, tables
from nodestage.core.errors import InputError
from nodestage.core.reasons import SENTENCES
from nodestage.core.volumes import Volume
from nodestage.exchange import bundle, returned
from nodestage.exchange.returned import reading
from nodestage.study import schema
from nodestage.study.method_files import check_method_files

NAMES = "patient\tcenter\tsex\tseries\n"


@pytest.mark.parametrize(
    "text, words",
    [
        (NAMES + "P1\ta\tF\t\nP2\ta\nP3\ta\tM\t\n", "fewer cells than columns in line 3"),
        (NAMES + "P1\ta\tF\nP2\ta\t\n", "fewer cells than columns in line 2, 3"),
        (NAMES.replace("sex", "") + "P1\ta\tF\t\n", "no name for its column 3, which holds values (line 2)"),
    ],
)  # fmt: skip
def test_a_row_or_column_of_which_a_part_would_be_lost(tmp_path, text, words):
    path = tmp_path / "s.tsv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        handwritten.lines(path, "The table")
    assert words in str(error.value)


def test_tabs_that_an_editor_strips_from_all_lines_are_no_loss(tmp_path):
    (tmp_path / "s.tsv").write_text(NAMES + "P1\ta\tF\nP2\ta\n", encoding="utf-8")
    assert [row["sex"] for row in cohort.read_sheet(tmp_path / "s.tsv")] == ["F", ""]


def workbook(path, change):
    book = openpyxl.Workbook()
    book.active.append(["patient", "center"])
    for k in range(3):
        book.active.append([f"P{k}", "a"])
    change(book.active)
    book.save(path)
    return path


def test_a_workbook_with_one_cell_far_away_takes_no_memory(tmp_path):
    path = workbook(tmp_path / "s.xlsx", lambda page: page.cell(1_048_576, 16_384, "x"))
    with pytest.raises(InputError, match="more cells than columns in row 1048576"):
        cohort.read_sheet(path)


def test_a_cell_that_a_workbook_names_twice(tmp_path):
    path = workbook(tmp_path / "s.xlsx", lambda page: None)
    with zipfile.ZipFile(path) as parts:
        contents = {name: parts.read(name) for name in parts.namelist()}
    with zipfile.ZipFile(path, "w") as parts:
        for name, content in contents.items():
            parts.writestr(name, content.replace(b'"A4"', b'"A3"').replace(b'"B4"', b'"B3"'))
    with pytest.raises(InputError, match="holds the cell A3 twice"):
        cohort.read_sheet(path)


@pytest.mark.parametrize("keys", ["{1: 5, +1: 6}", "{yes: 5, true: 6}", '{1: 5, "1": 6}'])
def test_one_key_written_in_two_ways(tmp_path, keys):
    (tmp_path / "c.yaml").write_text(f"label_system: {keys}\n", encoding="utf-8")
    with pytest.raises(InputError, match="is set twice"):
        configs.read(tmp_path / "c.yaml")


def test_a_date_with_the_month_as_a_word():
    assert codes.date_in("P03MAY1961") == "03MAY1961" and codes.date_in("1-sept-2020")
    assert not codes.date_in("MAY1961") and not codes.date_in("P12MAYO1")


def some(slices, **tags):
    def change(data, k):
        for name, value in tags.items() if k in slices else ():
            if value is None:
                delattr(data, name)
            else:
                setattr(data, name, value)

    return change


ALL = range(24)


@pytest.mark.parametrize(
    "change, words",
    [
        (some(ALL, ImageOrientationPatient=[1, 0, 0, 0, 1]), "too many numbers"),
        (some(ALL, ImageOrientationPatient=[1, 0, 0, 0.3, 0.95, 0]), "aren't at right angles"),
        (some(ALL, PixelSpacing=[-1.5, 1.5]), "isn't above 0"),
        (some(ALL, Modality="PT"), "24 × not ct"),
        (some(ALL, ImageType=["DERIVED", "SECONDARY", "MIP"]), "24 × computed"),
        (some([23], ImageType=["DERIVED", "SECONDARY", "VNC"]), "1 of 24 slices"),
        (some([3], NumberOfFrames=2), "with several frames"),
        (some(ALL, Rows=32), "bytes more than its header's rows and columns"),
        (some(range(9), PatientBirthDate="19610503"), "PatientBirthDate differs in 9 of 24"),
        (some(range(9), PatientName="Roe^Max"), "PatientName differs in 9 of 24"),
    ],
)  # fmt: skip
def test_slices_that_no_reader_may_take(tmp_path, change, words):
    error = refused(dicom_series(tmp_path / "d", change=change), words)
    assert "Roe" not in str(error) and "1961" not in str(error)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda data: setattr(data, "NumberOfFrames", 20), "another number of frames"),
        (lambda data: delattr(data.PerFrameFunctionalGroupsSequence[23], "PlanePositionSequence"), "some have no position"),
        (lambda data: setattr(data.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence[0], "RescaleType", "ED"), "24 × not in hu"),
        (lambda data: setattr(data, "ImageType", ["DERIVED", "PRIMARY", "VOLUME", "MAXIMUM"]), "1 × computed"),
    ],
)  # fmt: skip
def test_frames_that_no_reader_may_take(tmp_path, change, words):
    enhanced(tmp_path / "d" / "x.dcm", change=change)
    refused(tmp_path / "d", words)


def test_a_page_of_an_error_under_a_slices_name(tmp_path):
    folder = dicom_series(tmp_path / "d", keep=range(23))
    (folder / "IM999.dcm").write_text("<html>503</html>", encoding="utf-8")
    refused(folder, "1 named like slices, but not DICOM")


def test_two_acquisitions_between_one_another_are_two_series(tmp_path):
    dicom_series(tmp_path / "d", change=some(ALL, AcquisitionNumber=1))
    late = {"AcquisitionNumber": 2, "SOPInstanceUID": "1.9"}
    dicom_series(
        tmp_path / "d" / "b", phantom() + 60, origin=(-48, -40, -28.75), change=some(ALL, **late)
    )
    refused(tmp_path / "d", "2 CT series in one folder")


@pytest.mark.parametrize(
    "change, words",
    [
        (some(range(12), AcquisitionNumber=2), ""),
        (lambda data, k: setattr(data, "AcquisitionNumber", 1 + (k > 11)), "from 2 acquisitions"),
        (lambda data, k: setattr(data, "InstanceNumber", 2 * k), "23 numbers are missing"),
        (lambda data, k: [setattr(data, "InstanceNumber", k + 1), setattr(data, "ImagesInAcquisition", 30)], "announce 30 images"),
        (some(range(12), SliceThickness=5), "of 2 thicknesses"),
        (some(ALL, ImageType=["DERIVED", "SECONDARY"]), "calls it derived"[6:]),
    ],
)  # fmt: skip
def test_what_the_headers_of_a_series_leave_to_a_person(tmp_path, change, words):
    _, record = read(dicom_series(tmp_path / "d", change=change))
    assert words in "; ".join(notices.of_image(record))


@pytest.mark.parametrize("scale", [(np.inf, 0), (1, np.nan), (-np.inf, -1024)])
def test_a_scale_that_isnt_finite(tmp_path, scale):
    path = nifti(tmp_path / "a.nii", phantom(), slope=scale[0], inter=scale[1])
    with pytest.raises(InputError, match="its header scales its values by"):
        cohort.read_ct(path)


def test_an_image_compressed_again_is_the_same_image(tmp_path):
    first, second, third = (tmp_path / f"{name}.nii.gz" for name in "abc")
    nifti(first, phantom())
    second.write_bytes(gzip.compress(gzip.decompress(first.read_bytes()), 9))
    nifti(third, phantom() + 1)
    paths = {("P1", "venous"): first, ("P2", "venous"): second, ("P3", "venous"): third}
    marks = {cell: same.mark_of_file(path) for cell, path in paths.items()}
    (error,) = same.errors(marks, paths)
    assert first.read_bytes() != second.read_bytes() and "P2: venous: the same image" in str(error)


@pytest.mark.parametrize(
    "air, noted", [(-1000, False), (-1024, False), (-1100, True), (-850, True)]
)
def test_air_that_lies_elsewhere_is_noted(air, noted):
    facts, array = {}, phantom()
    array[array == -1000] = air
    values.to_hu(array, facts)
    assert bool(facts) == noted and (not noted or abs(facts["air_at_hu"] - air) <= 10)


@pytest.mark.parametrize("shift, noted", [(0, False), (10, False), (50, True), (-50, True)])
def test_a_shift_that_fat_alone_shows_is_noted(shift, noted):
    array = phantom()
    array[:, :, :6] = -105  # fat
    facts = {}
    values.to_hu(noise(array, sd=8) + shift, facts)
    assert ("fat_at_hu" in facts) == noted
    if noted:
        assert abs(facts["fat_at_hu"] - (shift - 105)) <= 10
        assert f"its fat lies near {facts['fat_at_hu']} HU" in " ".join(notices.of_image(facts))


@pytest.mark.parametrize(
    "zeroed, skipped", [([], 0), ([6], 1), ([5, 6], 2), ([4, 6], 2), ([2, 9], 0)]
)
def test_slices_of_a_structure_that_are_lost_are_noted(tmp_path, zeroed, skipped):
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:10, 8:14, 8:14] = 1
    labels[3:5, 3:5, 3:5] = 2  # another node, of other slices
    labels[zeroed] = 0
    path = nifti(tmp_path / "nodes.nii", labels)
    _, facts = masks.read_mask_with_record(path, masks.MaskRules("lymph_nodes"))
    assert facts.get("slices_skipped", 0) == skipped
    assert ("within a structure" in " ".join(notices.of_mask(facts))) == bool(skipped)


def noise(array, sd=20):
    return (array + np.random.default_rng(0).normal(0, sd, SHAPE)).astype(np.int16)


def with_blank_rows(array):
    array[5:9, 30:] = -1024
    return array


def with_border(array):
    array[:, :, :4] = 0
    return array


def alternating(array):
    array[::2, 10:50] += 100
    return array


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda array: array, ""),
        (with_blank_rows, "beside slice 5 rows are blank"),
        (with_border, "a side of it holds 0 HU throughout"),
        (lambda array: np.repeat(array[::2], 2, 0), "12 slices equal their neighbors"),
        (alternating, "every second slice fits better"),
    ],
)
def test_voxels_that_show_a_broken_file(change, words):
    array = change(noise(phantom()))
    warnings = quality(Volume(array, (2.5, 1.5, 1.5), (0, 0, 0)))["warnings"]
    assert words in "; ".join(warnings)
    new = ("rows are blank", "throughout", "equal their neighbors", "every second")
    assert bool(words) == any(text in sentence for sentence in warnings for text in new)


@pytest.mark.parametrize("role", ["tumor", "lymph_nodes"])
def test_a_mask_turned_inside_out_or_in_air(tmp_path, role):
    image = cohort.read_ct(nifti(tmp_path / "a.nii", phantom()))

    def said(array):
        rules = cohort.MaskRules(role)
        with pytest.raises(InputError) as error:
            cohort.read_mask_with_record(nifti(tmp_path / "m.nii.gz", array), rules, image)
        return str(error.value)

    assert "100% of its voxels are marked" in said(1 - cube())
    air = np.zeros(SHAPE, np.uint8)
    air[2:5, 1:5, 1:5] = 1
    assert "has a median of -1000 HU" in said(air)
    with pytest.raises(InputError, match="measures 5600 ml"):
        possible.check(
            np.ones((7, 8, 10), np.uint8), np.full((7, 8, 10), 40), (10, 100, 10), {"tumor": 1}
        )


def edited(path, change):
    data = pydicom.dcmread(path)
    change(data)
    data.save_as(path)
    return path


def same_place(data):
    first, second = data.PerFrameFunctionalGroupsSequence[:2]
    second.PlanePositionSequence = first.PlanePositionSequence


@pytest.mark.parametrize(
    "kind, change, words",
    [
        ("BINARY", same_place, "1 of its 4 frames lie where another frame"),
        ("FRACTIONAL", lambda data: setattr(data, "MaximumFractionalValue", 0), "have the maximum 0"),
        ("BINARY", lambda data: setattr(data, "Rows", 32), "holds more than 4 frames of 32 × 64"),
        ("BINARY", lambda data: setattr(data, "PixelData", data.PixelData[:-600]), "can't be decoded"),
    ],
)  # fmt: skip
def test_segmentations_that_would_lose_or_gain_voxels(tmp_path, capfd, kind, change, words):
    series = Series(tmp_path / "ct")
    path = write_seg(tmp_path / "s.dcm", {"tumor": cube().astype(bool)}, series, kind)
    with pytest.raises(InputError) as error:
        read_mask(edited(path, change), series)
    printed = capfd.readouterr()
    assert words in str(error.value) and str(tmp_path) not in printed.out + printed.err


def test_contours_that_reach_beyond_the_image_are_counted(tmp_path):
    series = Series(tmp_path / "ct")
    contours = [
        np.where(c > c.mean(0), c + [40, 0, 0], c)
        for c in contours_of(cube().astype(bool), series.affine)
    ]
    path = write_rtstruct(tmp_path / "r.dcm", {"Tumor": contours}, series)
    _, record = read_mask(path, series)
    assert record["contours_cut"] == 4 and "4 contours reach beyond" in str(notices.losses(record))


HEAD = {
    "nodestage": "0.2.0", "bundle": "a" * 64, "changed_code": "none", "holds": "rows", "patients": "3", "positives": "1",
    "status_unknown": "0", "substituted": "0", "min_cell": "1", "organs": "given", "tumor": "given",
}  # fmt: skip
LINES = [
    *(f"# {key}: {value}" for key, value in HEAD.items()),
    "\t".join(returned.columns(["m"])),
    "1\t1\t0.9\t0.8\t1\t",
    "2\t0\t0.1\t0.2\t0\t",
    f"3\t0\t\t\t\t{SENTENCES['no_tumor']}",
]


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda lines: ["# patients: 9", *lines], "`# patients: …` stands there twice"),
        (lambda lines: [*lines, "# positives: 1"], "a line that begins with #"),
        (lambda lines: [*lines[:-2], "#" + lines[-2], lines[-1]], "a line that begins with #"),
        (lambda lines: [*lines[:-1], "7" + lines[-1][1:]], "not those from 1 to 3"),
    ],
)
def test_a_returned_file_of_which_a_part_would_be_lost(tmp_path, change, words):
    path = tmp_path / "r.tsv"
    path.write_text("\n".join(LINES) + "\n", encoding="utf-8")
    assert len(reading.read(path, "x", ["m"]).rows) == 3
    path.write_text("\n".join(change(LINES)) + "\n", encoding="utf-8")
    with pytest.raises(InputError) as error:
        reading.read(path, "x", ["m"])
    assert words in str(error.value)


METHOD = "class Method:\n    def fit(self): pass\n    def predict(self): pass\n"


@pytest.mark.parametrize(
    "text, words",
    [
        ("return 1\n" + METHOD, "line 1: 'return' outside function"),
        ("class Method:\n    def predict(self): pass\n", "line 1: its class Method has no fit"),
        ("import numpy, nosuchpackage\n" + METHOD, "line 1: it imports 'nosuchpackage'"),
        ("from . import mine\n" + METHOD, "line 1: it imports from beside itself"),
    ],
)
def test_a_method_that_would_fail_hours_later(tmp_path, text, words):
    (tmp_path / "m.py").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        check_method_files({"mine": {"file": "m.py"}}, tmp_path)
    assert words in str(error.value)


def test_a_guarded_import_may_fail(tmp_path):
    text = f"try:\n    import nosuchpackage\nexcept ImportError:\n    pass\nimport numpy.linalg\n{METHOD}"
    (tmp_path / "m.py").write_text(text, encoding="utf-8")
    check_method_files({"mine": {"file": "m.py"}}, tmp_path)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda m: m["sha256"].pop("fold3/fusion.pt"), "lacks fold3/fusion.pt"),
        (lambda m: m["settings"]["folds"].update(n=4), "lists 5 folds"),
        (lambda m: m["settings"]["folds"].update(n="5"), "settings.folds.n"),
        (lambda m: m["settings"].pop("statistics"), "settings.statistics"),
        (lambda m: m["settings"].update(attention=None), "settings.attention"),
        (lambda m: m["settings"].update(simulated="no"), "settings.simulated"),
        (lambda m: m["settings"]["methods"]["mine"].update(file="/etc/passwd"), "of the method mine is not among"),
    ],
)  # fmt: skip
def test_a_manifest_of_which_a_part_is_lost_or_strange(frozen, change, words):
    manifest = json.loads((frozen / "manifest.json").read_text(encoding="utf-8"))
    change(manifest)
    (frozen / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(InputError) as error:
        bundle.read(frozen)
    assert words in str(error.value)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda m: None, ""),
        (lambda m: m["lymph_nodes"].update(threshold="high"), "lymph_nodes.threshold: 'high' is not"),
        (lambda m: m["lymph_nodes"].update(thresholds=0.5), "did you mean 'threshold'"),
        (lambda m: m["statistics"].update(bootstraps=-1), "statistics.bootstraps: -1 is not"),
        (lambda m: m["tumor"].update(slice_size="; rm -rf"), "tumor.slice_size"),
        (lambda m: m["methods"]["combined"].update(settings={"steps": True}), "methods.combined.settings.steps"),
        (lambda m: m["methods"]["mine"].update(colour="red"), "methods.mine: unknown setting 'colour'"),
        (lambda m: m.update(spacing_mm=[0, 1, 1]), "spacing_mm"),
    ],
)  # fmt: skip
def test_settings_of_a_bundle_that_no_config_may_have(frozen, change, words):
    settings = bundle.read(frozen).settings
    change(settings)
    if not words:
        return schema.check_bundle(settings)
    with pytest.raises(InputError) as error:
        schema.check_bundle(settings)
    assert "bundle: 1 of its settings can't be used" in str(error.value)
    assert words in str(error.value)


def test_a_table_without_the_column_of_patients(tmp_path):
    tables.write(tmp_path / "t.tsv", [{"patient": "A"}])
    seals.remove(tmp_path / "t.tsv")
    (tmp_path / "t.tsv").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "t.tsv").read_bytes())
    with pytest.raises(InputError, match="has no column `patient`"):
        tables.read_patients(tmp_path / "t.tsv", ["A"])
