"""Results as DICOM: masks back on the hospital's series, coded names, a report, key images, and where they never go."""

import shutil
import subprocess

import drawing_files
import highdicom
import numpy as np
import pydicom
import pytest
from cohort_phantom import ORIGIN, SHAPE, dicom_series, enhanced, nifti, phantom
from dicom_phantom import tilted
from study_config import CONFIG, ROOT

from nodestage import cohort
from nodestage.cohort import nifti as nifti_files
from nodestage.core import configs
from nodestage.core.errors import InputError
from nodestage.core.volumes import Volume
from nodestage.exchange import packet
from nodestage.export import key_images, report, segmentation, source
from nodestage.export.objects import Maker, save, sct, terms
from nodestage.registration.phases import to_study_grid

MAKER = Maker("ab" * 32, "1.2.826.77")
KINDS = ("plain", "feet_first", "tilted", "oblique")
LABELS = {"spleen": 1, "right_kidney": 2, "aorta": 8, "pancreas": 11}


def complete(data, k=0):
    """What a real series has, and the phantom of the intake tests lacks."""
    data.PatientBirthDate, data.PatientSex, data.StudyDate, data.StudyTime = (
        "19430217", "F", "20200102", "101500",
    )  # fmt: skip
    data.StudyID, data.AccessionNumber, data.ReferringPhysicianName = "S7", "A7", ""
    data.InstanceNumber = k + 1
    data.Manufacturer = "Scanners"


def rotated(x, z):
    """Direction cosines of rows and columns after turns about x and z, degrees; and the normal."""
    a, b = np.radians(x), np.radians(z)
    turn_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    turn_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    turn = turn_z @ turn_x
    return (*turn[:, 0], *turn[:, 1]), turn[:, 2]


def series(folder, kind, uid="1.2.826.77"):
    x, y, z = ORIGIN
    how = {}
    if kind == "feet_first":  # the patient's left on the left side, slices from head to foot
        how = {
            "orientation": (-1, 0, 0, 0, 1, 0),
            "positions": lambda k: (x + 63 * 1.5, y, z + 2.5 * (23 - k)),
        }
    elif kind == "tilted":  # a gantry's: slices follow one another along the table
        how = {"orientation": tilted(12), "positions": lambda k: (x, y, z + 2.5 * k)}
    elif kind == "oblique":
        orientation, normal = rotated(9, 6)
        how = {
            "orientation": orientation,
            "positions": lambda k: tuple(np.array(ORIGIN) + 2.5 * k * normal),
        }
    return dicom_series(folder, phantom(), change=complete, uid=uid, **how)


def study_mask(folder, spacing=(2.0, 1.3, 1.7)):
    """A mask on the study grid of that series: blobs of four labels."""
    volume = cohort.read_ct(folder, patient="P1", column="venous")
    grid = to_study_grid(volume, spacing)
    rng = np.random.default_rng(0)
    labels = np.zeros(grid.array.shape, np.uint16)
    z, y, x = np.indices(labels.shape)
    for label in (1, 2, 8, 11):
        c = [rng.uniform(0.25, 0.75) * n for n in labels.shape]
        inside = ((z - c[0]) * 2.0) ** 2 + ((y - c[1]) * 1.3) ** 2 + ((x - c[2]) * 1.7) ** 2 < 90
        labels[inside] = label
    return Volume(labels, grid.spacing, grid.origin)


def positions(ds):
    """(segment, voxel centers (n, 3), LPS mm) of every frame of a SEG, from its own header alone."""
    shared = ds.SharedFunctionalGroupsSequence[0]
    pixels = ds.pixel_array.reshape(-1, ds.Rows, ds.Columns)
    for frame, item in zip(pixels, ds.PerFrameFunctionalGroupsSequence, strict=True):

        def group(name, item=item):
            return (item.get(name) or shared.get(name))[0]

        row, column = np.reshape(
            np.array(group("PlaneOrientationSequence").ImageOrientationPatient, float), (2, 3)
        )
        dy, dx = map(float, group("PixelMeasuresSequence").PixelSpacing)
        corner = np.array(group("PlanePositionSequence").ImagePositionPatient, float)
        j, i = np.nonzero(frame)
        centers = corner + i[:, None] * dx * row + j[:, None] * dy * column
        yield int(group("SegmentIdentificationSequence").ReferencedSegmentNumber), centers


def seg_of(folder, mask, known=LABELS):
    src = source.read(str(folder))
    maker = Maker("ab" * 32, str(src.images[0].SeriesInstanceUID))
    return src, segmentation.of_organs(src, maker, source.onto(src, mask), known)


def written(tmp_path, dataset, name="seg.dcm"):
    dataset.save_as(tmp_path / name, enforce_file_format=True)
    return pydicom.dcmread(tmp_path / name)


@pytest.mark.parametrize("kind", KINDS)
def test_every_voxel_lies_where_the_study_grid_has_it(tmp_path, kind):
    mask = study_mask(series(tmp_path / "s", kind))
    src, made = seg_of(tmp_path / "s", mask)
    ds = written(tmp_path, made)
    numbers = {s.SegmentNumber: s.SegmentLabel for s in ds.SegmentSequence}
    words = {terms()["organs"][n]["words"]: label for n, label in LABELS.items()}
    seen = dict.fromkeys(LABELS.values(), 0)
    for segment, centers in positions(ds):
        index = np.floor((centers - mask.origin) / mask.spacing[::-1] + 0.5).astype(int)
        label = words[numbers[segment]]
        assert (mask.array[index[:, 2], index[:, 1], index[:, 0]] == label).all()
        seen[label] += len(centers)
    # And none is missing: all centers of the series, one by one.
    k, j, i = np.indices(src.shape).reshape(3, -1)
    centers = np.stack([i, j, k], 1) @ src.affine[:3, :3].T + src.affine[:3, 3]
    index = np.floor((centers - mask.origin) / mask.spacing[::-1] + 0.5).astype(int)
    inside = ((index >= 0) & (index < mask.array.shape[::-1])).all(1)
    x, y, z = index[inside].T
    expected = np.bincount(mask.array[z, y, x], minlength=12)
    assert seen == {label: expected[label] for label in seen} and all(seen.values())


def back(tmp_path, ds, src):
    """A SEG's labels on its series (slices, rows, columns)."""
    inverse = np.linalg.inv(src.affine[:3, :3])
    labels = np.zeros(src.shape, np.uint8)
    for segment, centers in positions(ds):
        i, j, k = np.rint((centers - src.affine[:3, 3]) @ inverse.T).astype(int).T
        labels[k, j, i] = segment
    return labels


@pytest.mark.parametrize("kind", KINDS)
def test_seg_to_nifti_to_seg_gives_the_same_voxels_in_the_same_place(tmp_path, kind):
    mask = study_mask(series(tmp_path / "s", kind))
    src, made = seg_of(tmp_path / "s", mask)
    ds = written(tmp_path, made)
    labels = back(tmp_path, ds, src)
    ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ src.affine
    header, stored = nifti_files.read(nifti(tmp_path / "m.nii.gz", labels, ras))
    np.testing.assert_allclose(header.affine, src.affine, atol=1e-4)
    maker = Maker("ab" * 32, str(src.images[0].SeriesInstanceUID))
    known = {name: number for number, name in enumerate(LABELS, start=1)}
    again = written(tmp_path, segmentation.of_organs(src, maker, stored, known), "again.dcm")
    assert again.PixelData == ds.PixelData and again.SOPInstanceUID == ds.SOPInstanceUID
    assert again.PerFrameFunctionalGroupsSequence == ds.PerFrameFunctionalGroupsSequence


@pytest.mark.parametrize("kind", KINDS)
def test_what_intake_reads_of_an_exported_mask_goes_back_to_the_same_slices(tmp_path, kind):
    """SEG, our own intake's grid, SEG: exact without straightening, up to borders with it."""
    folder = series(tmp_path / "s", kind)
    image = cohort.read_ct(folder, patient="P1", column="venous")
    mask = study_mask(folder)
    src, made = seg_of(folder, mask)
    ds = written(tmp_path, made)
    labels = back(tmp_path, ds, src)
    ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ src.affine
    path = nifti(tmp_path / "m.nii.gz", labels, ras)
    known = {name: number for number, name in enumerate(LABELS, start=1)}
    rules = cohort.MaskRules("organs", known=known)
    taken, _ = cohort.read_mask_with_record(path, rules, image, patient="P1", column="organs")
    returned = source.onto(src, taken)
    if kind in ("plain", "feet_first"):
        np.testing.assert_array_equal(returned, labels)
    for number in known.values():
        a, b = returned == number, labels == number
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.93, number
        apart = np.argwhere(a).mean(0) - np.argwhere(b).mean(0)
        assert np.abs(apart).max() < 0.15


def test_our_own_reader_takes_an_exported_segmentation_for_a_mask(tmp_path):
    x, y, z = ORIGIN
    drawn = drawing_files.Series(
        tmp_path / "s", (-1, 0, 0, 0, 1, 0), origin=(x + 63 * 1.5, y, z + 23 * 2.5)
    )
    blank = study_mask(drawn.folder, drawn.image.spacing)
    mask = blank.with_array((blank.array > 0).astype(np.uint8))
    src = source.read(str(drawn.folder))
    written(tmp_path, segmentation.of_tumor(src, MAKER, source.onto(src, mask)), "tumor.dcm")
    taken, record = drawing_files.read(
        tmp_path / "tumor.dcm", drawn, segments={"tumor": ["Tumor, predicted"]}
    )
    np.testing.assert_array_equal(taken.array, mask.array)
    assert record["mask_format"] == "dicom_seg"


def test_a_multi_frame_file_and_series_that_no_object_can_refer_to(tmp_path):
    order = [3, 1, 2, *range(4, 24), 0]

    def change(data):
        data.FrameOfReferenceUID = "1.2.4"
        complete(data)

    enhanced(tmp_path / "e/e.dcm", order=order, change=change)
    mask = study_mask(tmp_path / "e")
    src, made = seg_of(tmp_path / "e", mask)
    ds = written(tmp_path, made)
    plain = series(tmp_path / "p", "plain")
    expected = source.onto(source.read(str(plain)), study_mask(plain))
    known = np.array([0, *LABELS.values()], np.uint16)
    np.testing.assert_array_equal(known[back(tmp_path, ds, src)], expected)

    def own_uid(data, k):
        complete(data, k)
        data.FrameOfReferenceUID = f"1.2.{k}"

    dicom_series(tmp_path / "u", change=own_uid)
    with pytest.raises(InputError, match="24 different FrameOfReferenceUID"):
        source.read(str(tmp_path / "u"))


def test_a_node_that_falls_between_thick_slices_keeps_a_voxel(tmp_path):
    folder = series(tmp_path / "s", "plain")
    blank = study_mask(folder, (0.5, 1.5, 1.5))
    src = source.read(str(folder))
    inverse = np.diag(1 / np.array(blank.spacing[::-1]))
    for z in range(20, 30):  # one of them lies between two slices, which are 2.5 mm apart
        tiny = np.zeros_like(blank.array)
        tiny[z, 20, 20] = 1
        labels = source.onto(src, blank.with_array(tiny))
        if not labels.any():
            break
    assert not labels.any()
    place = np.array(blank.origin) + np.linalg.inv(inverse) @ (20, 20, z)
    assert source.keep_lost(labels, src, {1: tuple(place), 2: (9e3, 0, 0)}) == [1, 2]
    assert (labels == 1).sum() == 1 and not (labels == 2).any()


# Coded names, the report, key images

NODES = [
    {"node": "1", "volume_mm3": "812.5", "short_axis_mm": "9.25", "p_positive": "0.8125", "positive": "1",
     "found_in": "4", "folds": "5"},
    {"node": "2", "volume_mm3": "300.0", "short_axis_mm": "5.5", "p_positive": "0.25", "positive": "0",
     "found_in": "2", "folds": "5"},
]  # fmt: skip
RECORD = {
    "declared": "combined",
    "methods": {
        "combined": {
            "score": 0.625, "threshold": 0.5, "probability": 0.75, "call": 1,
            "probability_of_folds": [0.5, 0.875],
        }
    },
}  # fmt: skip


@pytest.fixture
def objects(tmp_path):
    """{name: file} of everything that is exported of one patient."""
    folder = series(tmp_path / "s", "tilted")
    mask = study_mask(folder)
    src = source.read(str(folder))
    on = source.onto(src, mask)
    nodes = np.where(on == 1, 1, np.where(on == 2, 2, 0))
    made = {
        "nodes": segmentation.of_nodes(src, MAKER, nodes, NODES),
        "tumor": segmentation.of_tumor(src, MAKER, on == 11),
        "organs": segmentation.of_organs(src, MAKER, on, LABELS),
    }
    made["sr"] = report.of_patient(src, MAKER, made["nodes"], NODES, RECORD)
    masks = key_images.Masks(nodes, (on == 11).astype(np.uint8))
    made |= {f"key {n}": i for n, i in key_images.images(src, MAKER, masks, NODES).items()}
    for name, dataset in made.items():
        save(tmp_path / "out" / f"{name}.dcm", dataset)
    return {name: tmp_path / "out" / f"{name}.dcm" for name in made}


def test_segments_have_coded_names_and_belong_to_the_patients_series(objects):
    for name in ("nodes", "tumor", "organs"):
        ds = highdicom.seg.segread(objects[name])
        assert (ds.PatientID, ds.PatientBirthDate, ds.StudyInstanceUID) == (
            "X1",
            "19430217",
            "1.2.3",
        )
        (referred,) = ds.ReferencedSeriesSequence
        assert referred.SeriesInstanceUID == "1.2.826.77" and ds.FrameOfReferenceUID == "1.2.4"
        for segment in ds.SegmentSequence:
            assert segment.SegmentAlgorithmType == "AUTOMATIC"
            assert segment.SegmentedPropertyTypeCodeSequence[0].CodingSchemeDesignator == "SCT"
    first, second = highdicom.seg.segread(objects["nodes"]).SegmentSequence
    assert first.SegmentLabel == "Lymph node 1, positive, p 0.81"
    assert first.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Neoplasm, Secondary"
    assert first.AnatomicRegionSequence[0].CodeMeaning == "Lymph Node"
    assert second.SegmentLabel == "Lymph node 2, negative, p 0.25"
    assert second.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Lymph Node"
    kidney = pydicom.dcmread(objects["organs"]).SegmentSequence[1]
    of_type = kidney.SegmentedPropertyTypeCodeSequence[0]
    assert of_type.CodeMeaning == "Kidney"
    assert of_type.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Right"


def test_every_structure_of_the_anatomy_has_a_code():
    anatomy = configs.load(CONFIG / "anatomy.yaml")["labels"]
    assert set(terms()["organs"]) == set(anatomy)
    for entry in [*terms()["organs"].values(), *terms()["lesions"].values()]:
        for key in ("code", "laterality", "region"):
            assert key not in entry or sct(entry[key]).scheme_designator == "SCT"


def test_a_structure_of_another_anatomy_is_an_organ_of_its_name(tmp_path):
    src = source.read(str(series(tmp_path / "s", "plain")))
    labels = np.zeros(src.shape, np.uint8)
    labels[5:9, 20:30, 20:30] = 3
    known = {"bladder": 1, "left_rectum": 3}
    (segment,) = segmentation.of_organs(src, MAKER, labels, known).SegmentSequence
    assert segment.SegmentLabel == "Left rectum"
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Organ"
    (tumor,) = segmentation.of_tumor(src, MAKER, labels, "left_rectum").SegmentSequence
    assert tumor.AnatomicRegionSequence[0].CodeMeaning == "Organ"


def test_the_report_has_the_numbers_of_table_and_record(objects):
    ds = highdicom.sr.srread(objects["sr"])
    assert ds.VerificationFlag == "UNVERIFIED" and ds.PatientID == "X1"
    content = ds.content
    groups = content.get_volumetric_roi_measurement_groups()
    assert len(groups) == 2
    seg = pydicom.dcmread(objects["nodes"])
    for group, row in zip(groups, NODES, strict=True):
        values = {m.name.meaning: m.value for m in group.get_measurements()}
        assert values["Volume"] == float(row["volume_mm3"])
        assert values["Short axis"] == float(row["short_axis_mm"])
        (percent,) = [v for n, v in values.items() if n.startswith("Probability that")]
        assert percent == 100 * float(row["p_positive"])
        assert group.referenced_segment.referenced_sop_instance_uid == seg.SOPInstanceUID
        assert list(group.referenced_segment.referenced_segment_numbers) == [int(row["node"])]
        tracking = next(s for s in seg.SegmentSequence if s.SegmentNumber == int(row["node"]))
        assert group.tracking_uid == tracking.TrackingUID
    (patient,) = content.get_image_measurement_groups()
    values = {m.name.meaning: m.value for m in patient.get_measurements()}
    assert values["Calibrated probability of lymph-node metastasis"] == 75.0
    assert values["Score of lymph-node metastasis"] == 0.625
    assert values["Lowest calibrated probability of a fold"] == 50.0
    (call,) = patient.get_qualitative_evaluations()
    assert call.value.meaning == "Positive"


def test_a_patient_without_nodes_or_score_still_has_a_report(tmp_path):
    src = source.read(str(series(tmp_path / "s", "plain")))
    one = dict.fromkeys(("score", "threshold", "probability", "call", "probability_of_folds"))
    record = {"declared": "combined", "methods": {"combined": one}}
    save(tmp_path / "sr.dcm", report.of_patient(src, MAKER, None, [], record))
    content = highdicom.sr.srread(tmp_path / "sr.dcm").content
    assert len(content.get_image_measurement_groups()) == 1
    empty = np.zeros(src.shape, np.uint8)
    assert segmentation.of_nodes(src, MAKER, empty, []) is None
    assert segmentation.of_tumor(src, MAKER, empty) is None
    assert segmentation.of_organs(src, MAKER, empty, LABELS) is None
    assert key_images.images(src, MAKER, key_images.Masks(empty, empty), []) == {}


def test_key_images_show_outlines_around_what_the_masks_hold(objects):
    names = sorted(name for name in objects if name.startswith("key "))
    assert names == ["key node_01.dcm", "key tumor.dcm"]
    ds = pydicom.dcmread(objects["key node_01.dcm"])
    assert (ds.Rows, ds.Columns) == SHAPE[1:] and ds.PhotometricInterpretation == "RGB"
    assert ds.ImageComments.startswith("nodestage: lymph node 1, positive, p 0.81")
    picture = ds.pixel_array
    red = (picture == (255, 77, 94)).all(-1)
    gray = (picture == picture[..., :1]).all(-1)
    assert red.any() and gray.mean() > 0.5
    assert ds.PatientID == "X1" and ds.SeriesInstanceUID != "1.2.826.77"


def test_the_same_export_has_the_same_uids_and_another_result_others(tmp_path):
    src = source.read(str(series(tmp_path / "s", "plain")))
    mask = np.zeros(src.shape, np.uint8)
    mask[5:9, 20:30, 20:30] = 1
    one, again = (segmentation.of_tumor(src, MAKER, mask) for _ in range(2))
    assert one.SOPInstanceUID == again.SOPInstanceUID
    mask[5, 20, 20] = 0
    other = segmentation.of_tumor(src, MAKER, mask)
    assert other.SOPInstanceUID != one.SOPInstanceUID
    assert other.SeriesInstanceUID == one.SeriesInstanceUID


@pytest.mark.skipif(
    shutil.which("dciodvfy") is None, reason="dciodvfy of Debian's dicom3tools is not installed"
)
def test_dciodvfy_finds_no_error(objects):
    for name, path in objects.items():
        done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True)
        printed = done.stdout + done.stderr
        errors = [line for line in printed.splitlines() if line.startswith("Error")]
        assert not errors, (name, errors)


# Where exported files never go


@pytest.mark.parametrize("with_git", [True, False])
def test_no_packet_holds_an_exported_file(frozen, tmp_path, monkeypatch, with_git):
    """Neither those of the default study, which lie in the clone, nor those beside a study's bundle."""
    clone = tmp_path / "clone"
    (clone / "workflow").mkdir(parents=True)
    (clone / "workflow/Snakefile").write_text("own", encoding="utf-8")
    shutil.copy(ROOT / ".gitignore", clone)
    for folder in (clone / "export/P1/seg", frozen / "export", frozen.parent / "export"):
        folder.mkdir(parents=True)
        (folder / "lymph_nodes.dcm").write_bytes(b"CANARY")
    if with_git:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "all"]):
            subprocess.run(["git", "-C", str(clone), *words], check=True)
    monkeypatch.setattr(packet, "REPOSITORY", clone)
    packet.write(frozen, tmp_path / "packet")
    kept = [p for p in (tmp_path / "packet").rglob("*") if p.is_file()]
    assert kept and not [p for p in kept if p.suffix == ".dcm" or b"CANARY" in p.read_bytes()]


def test_no_rule_but_the_exports_reads_or_writes_in_export():
    rules = {p.stem: p.read_text(encoding="utf-8") for p in (ROOT / "workflow/rules").glob("*.smk")}
    assert "export/" in rules.pop("export") and "export/" in rules.pop("requested")
    assert not [name for name, text in rules.items() if '"export/' in text]
    library = (ROOT / "workflow/lib/nodestage/exchange").rglob("*.py")
    assert not [p for p in library if "nodestage.export" in p.read_text(encoding="utf-8")]
