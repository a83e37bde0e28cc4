"""A DICOM series is read whole or not at all: broken copies, split series, tags of some slices, two persons."""

import logging
import os

import numpy as np
import pytest
from cohort_phantom import dicom_series, enhanced, phantom
from dicom_phantom import CANARY, assert_is_phantom, read, refused
from nifti_phantom import noisy

from nodestage import cohort
from nodestage.cohort import same
from nodestage.cohort.image_quality import repetition
from nodestage.core import logs
from nodestage.core.errors import InputError


def files(folder):
    return sorted(p for p in folder.rglob("*") if p.is_file())


def cut(size):
    return lambda path: path.write_bytes(path.read_bytes()[:size])


def zeroed(path):
    path.write_bytes(bytes(path.stat().st_size))


def linked_to_nothing(path):
    path.unlink()
    path.symlink_to("nowhere")


@pytest.mark.parametrize("where", [slice(-5, None), slice(0, 4), slice(10, 12)])
@pytest.mark.parametrize(
    "break_off, words",
    [(cut(0), "empty"), (cut(100), "zeros throughout"), (cut(300), "cut short"), (cut(-2000), "cut short"),
     (zeroed, "zeros throughout"), (linked_to_nothing, "links that lead nowhere")],
    ids=["empty", "preamble", "header", "pixels", "zeroed", "link"],
)  # fmt: skip
def test_a_copy_that_broke_off_is_never_half_a_scan(tmp_path, where, break_off, words):
    folder = dicom_series(tmp_path / "d", names=lambda k: f"IM{k:04d}")
    broken = files(folder)[where]
    for path in broken:
        break_off(path)
    refused(folder, f"{len(broken)} of 24 files", f"{len(broken)} {words}")
    with pytest.raises(InputError) as error:
        cohort.ct_grid(folder)
    assert broken[0].name in error.value.full and broken[0].name not in str(error.value)


def test_links_are_followed_once_and_loops_and_pipes_are_harmless(tmp_path):
    dicom_series(tmp_path / "store" / "S1")
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "S1").symlink_to("../store/S1")
    (folder / "again").symlink_to("../store")
    (tmp_path / "store" / "S1" / "up").symlink_to(tmp_path / "d")
    os.mkfifo(folder / "pipe.dcm")
    volume, record = read(folder)
    assert_is_phantom(volume)
    assert record["left_out"] == {"not_a_file": 1} and "copies_dropped" not in record


def per_slice(**values):
    """Give a tag another value in every slice; None takes it away where the value is None."""

    def change(data, k):
        for tag, of in values.items():
            value = of(k)
            if value is None:
                delattr(data, tag)
            else:
                setattr(data, tag, value)

    return change


def some_slices(value, other, which=lambda k: k % 2):
    return lambda k: other if which(k) else value


@pytest.mark.parametrize(
    "change, words",
    [
        (per_slice(ConvolutionKernel=some_slices("B30f", "B70f")), "ConvolutionKernel differs in"),
        (per_slice(ConvolutionKernel=some_slices("B30f", None, lambda k: k > 18)), "ConvolutionKernel is missing in 5 of 24"),
        (per_slice(RescaleIntercept=some_slices(-1024, None, lambda k: k in (3, 4))), "RescaleIntercept is missing in 2 of 24"),
        (per_slice(RescaleSlope=some_slices(1, None)), "RescaleSlope"),
        (per_slice(RescaleType=some_slices("HU", "OD", lambda k: k < 6)), "6 have a rescale type other than HU"),
        (per_slice(KVP=some_slices(80, 140)), "KVP differs in 12 of 24"),
        (per_slice(FrameOfReferenceUID=some_slices("1.2", "1.3", lambda k: k > 20)), "FrameOfReferenceUID differs in 3 of 24"),
        (per_slice(PixelSpacing=some_slices([1.5, 1.5], [1.6, 1.6])), "PixelSpacing differs in"),
        (per_slice(PixelSpacing=some_slices([1.5, 1.5], None, lambda k: k > 20)), "3 have no pixel spacing"),
        (per_slice(ImagePositionPatient=some_slices([-48, -40, 0], None, lambda k: k > 20)), "3 have no position"),
        (per_slice(PatientID=lambda k: f"anon{k}", PatientName=lambda k: "x"), "24 slices carry 24 patient IDs"),
        (per_slice(PatientID=some_slices("A", "B")), "images of 2 patients"),
        (per_slice(RescaleIntercept=some_slices(-1024, -1000)), "RescaleIntercept differs in 12 of 24"),
        (per_slice(RescaleSlope=some_slices(1, 2, lambda k: k == 5)), "RescaleIntercept differs in 1 of 24"),
        (per_slice(SeriesNumber=some_slices(3, 4, lambda k: k > 11), SeriesInstanceUID=some_slices("1.2.826.1", "1.2.826.2", lambda k: k > 11)),
         "two series of 12 and 12 slices continue one another"),
        (per_slice(RescaleSlope=lambda k: 1e30), "rescale slope 1e+30"),
        (per_slice(RescaleSlope=some_slices(1, 0, lambda k: k == 7)), "rescale slope 0"),
    ],
)  # fmt: skip
def test_a_tag_that_differs_in_some_slices_is_named_with_the_slices(tmp_path, change, words):
    def both(data, k):
        position = data.ImagePositionPatient
        change(data, k)
        if "ImagePositionPatient" in data:
            data.ImagePositionPatient = position

    refused(dicom_series(tmp_path / "d", change=both, slopes=(1, -1024)), words)


@pytest.mark.parametrize(
    "change",
    [
        per_slice(SeriesInstanceUID=lambda k: f"1.2.826.{100 + k}"),
        per_slice(
            SeriesInstanceUID=lambda k: f"1.2.826.{100 + k}",
            FrameOfReferenceUID=lambda k: f"1.3.{k}",
            StudyInstanceUID=lambda k: f"1.4.{k}",
        ),
        per_slice(SeriesInstanceUID=some_slices("1.2.826.1", "1.2.826.2")),
        per_slice(SeriesInstanceUID=some_slices("1.2.826.1", "1.2.826.2", lambda k: k > 9)),
        per_slice(ImageOrientationPatient=some_slices([1, 0, 0, 0, 1, 0], [1, 0.004, 0, -0.004, 1, 0])),
        per_slice(PixelSpacing=some_slices([1.5, 1.5], [1.5003, 1.5003])),
        per_slice(AcquisitionNumber=lambda k: k),
    ],
    ids=["per slice", "all UIDs per slice", "interleaved", "continued", "orientation rounded", "spacing rounded",
         "acquisition per slice"],
)  # fmt: skip
def test_parts_of_one_volume_are_joined(tmp_path, change):
    assert_is_phantom(read(dicom_series(tmp_path / "d", change=change))[0])


@pytest.mark.parametrize("parts", [[range(12), range(12, 24)], [[k] for k in range(24)]])
def test_an_enhanced_series_in_several_files_is_one(tmp_path, parts):
    for number, frames in enumerate(parts):

        def change(data, number=number):
            data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"1.2.826.9.{number}"

        enhanced(tmp_path / "d" / f"{number}.dcm", order=frames, change=change)
    assert_is_phantom(read(tmp_path / "d")[0])


def test_two_phases_of_unequal_length_under_one_series_are_two(tmp_path):
    short = per_slice(AcquisitionNumber=lambda k: 1, AcquisitionTime=lambda k: f"1015{k:02d}")
    long = per_slice(AcquisitionNumber=lambda k: 2, AcquisitionTime=lambda k: f"1016{k:02d}")
    bright = phantom()
    bright[bright == 150] = 280
    dicom_series(tmp_path / "d" / "x", bright, keep=range(10), change=short)
    dicom_series(tmp_path / "d" / "y", change=long)
    first, second = (read(tmp_path / "d", series=choice)[0] for choice in ("#1", "#2"))
    assert first.array.shape[0] == 10 and first.array.max() == 500
    assert_is_phantom(second)


def test_two_phases_half_a_step_apart_are_never_mixed(tmp_path):
    for number in (1, 2):
        origin = (-48.0, -40.0, -30.0 + 1.25 * (number - 1))
        change = per_slice(SeriesNumber=lambda k, n=number: n)
        dicom_series(
            tmp_path / "d" / str(number), origin=origin, uid=f"1.2.826.{number}", change=change
        )
    refused(tmp_path / "d", "2 CT series in one folder")


def test_lossy_compression_is_recorded_and_flagged(tmp_path):
    folder = dicom_series(tmp_path / "d", change=per_slice(LossyImageCompression=lambda k: "01"))
    volume, record = read(folder)
    assert record["lossy_compression"]
    assert any("with loss" in w for w in cohort.quality(volume, record)["warnings"])


def study_of(folder, persons, exams=("1.2.3", "1.2.3")):
    row = {"patient": "P1", "center": "a"}
    for phase, person, exam in zip(("arterial", "venous"), persons, exams, strict=True):
        array = phantom() + (phase == "venous")
        change = per_slice(PatientID=lambda k, p=person: p, StudyInstanceUID=lambda k, e=exam: e)
        row[phase] = str(
            dicom_series(folder / phase, array, change=change, uid=f"{exam}.{len(phase)}")
        )
    return row


def test_two_persons_in_one_row_are_refused_and_never_named(tmp_path):
    row = study_of(tmp_path, (CANARY, "HOSP-2"))
    with pytest.raises(
        InputError, match="P1: venous: arterial and venous carry two patient IDs"
    ) as e:
        cohort.check_headers([row], {"a": {}})
    assert CANARY not in e.value.full and "HOSP" not in e.value.full
    records = {("P1", phase): read(row[phase])[1] for phase in ("arterial", "venous")}
    with pytest.raises(InputError, match="P1: arterial and venous carry two patient IDs"):
        same.check_persons(records)
    assert all(0 <= record["person"] < 4096 for record in records.values())


def test_two_exams_in_a_row_and_one_person_in_two_rows_are_asked_about(tmp_path):
    first = study_of(tmp_path / "1", (CANARY, CANARY), ("1.2.3", "1.2.4"))
    second = study_of(tmp_path / "2", (CANARY, CANARY)) | {"patient": "P2", "arterial": ""}
    dicom_series(
        tmp_path / "2" / "venous",
        phantom() - 5,
        change=per_slice(PatientID=lambda k: CANARY),
        uid="1.9.1",
    )
    questions = cohort.check_headers_and_notices([first, second], {"a": {}})[2]
    assert questions[0].startswith("P1: arterial and venous come from two examinations")
    assert questions[1].startswith("P1, P2: their images carry one patient ID")
    assert CANARY not in " ".join(questions)


@pytest.mark.parametrize(
    "births, sexes, row, questions",
    [
        (("19500101", "19500101"), ("F", "F"), {"sex": "F"}, []),
        (("19500101", ""), ("F", "O"), {"sex": ""}, []),
        (("19500101", "19610203"), ("F", "F"), {}, ["P1: arterial and venous carry two dates of birth"]),
        (("", ""), ("M", "F"), {}, ["P1: the sex in the headers"]),
        (("", ""), ("M", ""), {"sex": "F"}, ["P1: the sex in the headers"]),
    ],
)  # fmt: skip
def test_one_patient_id_with_two_births_or_sexes_is_asked_about(
    tmp_path, births, sexes, row, questions
):
    """An anonymization that gives every patient one ID hides that a row has images of two persons."""
    row = {"patient": "P1", "center": "a"} | row
    for phase, birth, sex in zip(("arterial", "venous"), births, sexes, strict=True):
        array = phantom() + (phase == "venous")
        change = per_slice(PatientBirthDate=lambda k, b=birth: b, PatientSex=lambda k, s=sex: s)
        row[phase] = str(dicom_series(tmp_path / phase, array, change=change, uid=f"1.2.{phase}"))
    asked = cohort.check_headers_and_notices([row], {"a": {}})[2]
    assert [
        q.partition(". ")[0][: len(e)] for q, e in zip(asked, questions, strict=True)
    ] == questions
    assert not any(birth in " ".join(asked) for birth in births if birth)


def test_what_intake_leaves_out_is_said_per_image(tmp_path):
    folder = dicom_series(tmp_path / "d")
    dicom_series(tmp_path / "d" / "copy", uid="1.2.826.7")
    (folder / "readme.txt").write_text("x" * 200)
    said = cohort.check_headers_and_notices(
        [{"patient": "P1", "center": "a", "venous": str(folder)}], {"a": {}}
    )[1]
    assert said["P1", "venous"] == [
        "left out: 1 files that are not DICOM",
        "24 copies of slices dropped",
    ]


def test_nothing_from_a_header_reaches_a_log(tmp_path, capfd):
    import pydicom

    ignore = pydicom.config.IGNORE

    def invalid(data, k):
        for tag, kind in [(0x0020000E, "UI"), (0x00080050, "SH")]:
            data.add(
                pydicom.DataElement(tag, kind, f"1.2.{CANARY}.0113619", validation_mode=ignore)
            )

    before = pydicom.config.settings.writing_validation_mode
    pydicom.config.settings.writing_validation_mode = ignore
    try:
        folder = dicom_series(tmp_path / "d", change=invalid)
    finally:
        pydicom.config.settings.writing_validation_mode = before
    logging.getLogger().setLevel(logging.DEBUG)
    with logs.to(tmp_path / "job.log"):
        read(folder)
    printed = capfd.readouterr()
    text = (tmp_path / "job.log").read_text() + printed.out + printed.err
    assert CANARY not in text and "0113619" not in text


@pytest.mark.parametrize(
    "name, words",
    [("a.nii.gz", "give its own path"), ("scan.zip", "unpack them"), ("s.dcm.gz", "unpack them")],
)
def test_a_folder_without_dicom_says_what_lies_there(tmp_path, name, words):
    (tmp_path / name).write_bytes(b"something" * 40)
    refused(tmp_path, "no axial CT", words)


def test_two_phases_stacked_in_one_file_are_flagged_and_one_is_not():
    rng, z = np.random.default_rng(1), np.arange(24)
    single = noisy() + (z[:, None, None] * np.linspace(-8, 8, 64)).astype(int)
    for k in z:  # the body grows from slice to slice
        single[k, : 20 - k // 2] = -1000
    other = single + rng.normal(0, 5, single.shape).astype(int)
    other[:, 36:40, 28:32] += 130
    assert repetition(single) == 0
    assert repetition(np.concatenate([single, other])) == 24


def test_one_phase_twice_is_flagged_and_two_phases_are_not():
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[:2], labels[2:] = 8, 10
    known = {"aorta": 8, "portal_splenic_vein": 10}
    venous = np.where(labels == 8, 160, 170)
    arterial = np.where(labels == 8, 300, 120)
    assert (
        "one phase twice" in cohort.phase_contrast(venous + 4, venous, labels, known)["warnings"][0]
    )
    assert not cohort.phase_contrast(arterial, venous, labels, known)["warnings"]


def test_two_exams_with_one_series_number_are_told_apart(tmp_path):
    for exam, uid in (("1.2.826.100", "1.2.826.1"), ("1.2.826.200", "1.2.826.2")):
        change = per_slice(StudyInstanceUID=lambda k, exam=exam: exam, SeriesNumber=lambda k: 3)
        dicom_series(tmp_path / "d" / uid, array=noisy() + int(uid[-1]), change=change, uid=uid)
    error = refused(tmp_path / "d", "2 CT series", "examination 1 of 2", "examination 2 of 2")
    assert "'#' and its position in this list" in str(error) and "its series number, or" not in str(
        error
    )
    assert read(tmp_path / "d", series="#2")


def test_a_decimal_comma_is_named_with_its_tag(tmp_path):
    folder = dicom_series(tmp_path / "d")
    for path in files(folder):
        content = path.read_bytes()
        assert content.count(b"1.5\\1.5") == 1
        path.write_bytes(content.replace(b"1.5\\1.5", b"1,5\\1,5"))
    refused(folder, "24 with a decimal comma in PixelSpacing", "decimal points")
