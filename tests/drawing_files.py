"""One drawing on the phantom's series, written as NIfTI, DICOM SEG, RTSTRUCT and .seg.nrrd.

The series may lie anyhow: straight, oblique, with a tilted gantry, feet first. Arrays are (k, j, i) in
the order of the files of `Series`.
"""

import atexit
import functools
import gzip
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
import pytest
from cohort_phantom import ORIGIN, SHAPE, SPACING, dicom_series, nifti
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset

from nodestage import cohort
from nodestage.cohort.ct import ct_headers
from nodestage.cohort.drawings.references import Source
from nodestage.core.errors import InputError

LABELS = {"spleen": 1, "liver": 6, "pancreas": 11, "cha_pha": 19}


def turned(about_x, about_z=0.0):
    """Orientation (six cosines) of axial slices turned about the patient's axes, degrees."""
    a, b = np.radians([about_x, about_z])
    row = np.array([np.cos(b), np.sin(b), 0])
    column = np.array([-np.sin(b) * np.cos(a), np.cos(b) * np.cos(a), np.sin(a)])
    return (*row, *column)


@dataclass(eq=False)
class Series:
    """A CT series as DICOM, of the phantom's voxels wherever these lie."""

    folder: Path
    orientation: tuple = (1, 0, 0, 0, 1, 0)
    step: tuple | None = None  # from slice to slice, mm; None: along the normal
    origin: tuple = ORIGIN
    uid: str = "1.2.826.1"
    affine: np.ndarray = field(init=False)

    def __post_init__(self):
        row, column = np.reshape(self.orientation, (2, 3))
        step = np.cross(row, column) * SPACING[0] if self.step is None else np.array(self.step)
        self.affine = np.eye(4)
        self.affine[:3] = np.column_stack(
            [row * SPACING[2], column * SPACING[1], step, self.origin]
        )
        dicom_series(
            self.folder,
            orientation=self.orientation,
            positions=lambda k: self.affine[:3, 3] + k * self.affine[:3, 2],
            uid=self.uid,
            names=lambda k: f"{k:03d}.dcm",
            change=_complete,
        )

    @functools.cached_property
    def images(self):
        return [pydicom.dcmread(path) for path in sorted(self.folder.glob("*.dcm"))]

    @functools.cached_property
    def headers(self):
        return ct_headers(self.folder, column="venous")

    @functools.cached_property
    def image(self):
        return cohort.read_ct(self.folder)

    def source(self, **others):
        return Source("venous", {"venous": self.headers, **others})


def _complete(data, k):
    """What highdicom asks of source images."""
    for name in (
        "StudyID",
        "AccessionNumber",
        "PatientBirthDate",
        "PatientSex",
        "StudyDate",
        "StudyTime",
    ):
        setattr(data, name, "")
    data.ReferringPhysicianName = ""


@functools.cache
def lying(way):
    """One of `WAYS`, written once."""
    folder = Path(tempfile.mkdtemp(prefix="series"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Series(folder / "ct", **WAYS[way])


WAYS = {
    "straight": {},
    "feet first": {"orientation": (-1, 0, 0, 0, 1, 0), "origin": (46.5, -40.0, 27.5)},
    "prone": {"orientation": (-1, 0, 0, 0, -1, 0), "origin": (46.5, 54.5, -30.0)},
    "oblique": {"orientation": turned(9, 5)},
    "tilted": {"orientation": turned(12), "step": (0, 0, 2.5)},
    "tilted, feet first": {
        "orientation": (-1, 0, 0, 0, *turned(14)[4:]),
        "step": (0, 0, -2.5),
        "origin": (46.5, -40.0, 27.5),
    },
}


def ball(center, radius, shape=SHAPE):
    """bool (k, j, i): voxels within `radius` mm of the index `center`."""
    off = (np.indices(shape).T - np.array(center)) * SPACING
    return ((off**2).sum(-1) <= radius**2).T


def write_nifti(path, array, series):
    return nifti(path, array.astype("u1"), np.diag([-1, -1, 1, 1]) @ series.affine)


def write_seg(path, segments, series, kind="BINARY", **more):
    """segments : {name: array (k, j, i)}, bool, or 0 to 1 for FRACTIONAL; {name: bool} apart for LABELMAP."""
    import highdicom as hd
    from highdicom.sr.coding import CodedConcept

    code = CodedConcept("85756007", "SCT", "Tissue")
    described = [
        hd.seg.SegmentDescription(
            number, name, code, code, hd.seg.SegmentAlgorithmTypeValues.MANUAL
        )
        for number, name in enumerate(segments, 1)
    ]
    if kind == "LABELMAP":
        pixels = np.zeros(SHAPE, np.uint8)
        for number, array in enumerate(segments.values(), 1):
            pixels[array] = number
    else:
        pixels = np.stack(list(segments.values()), -1)
        pixels = pixels.astype(np.float32 if kind == "FRACTIONAL" else np.uint8)
    seg = hd.seg.Segmentation(
        series.images,
        pixels,
        kind,
        described,
        "1.2.826.77.1",
        7,
        "1.2.826.77.2",
        1,
        "n",
        "n",
        "1",
        "n",
        **more,
    )
    seg.save_as(path)
    return path


def contours_of(array, affine):
    """Outlines of a bool array (k, j, i) at the middle between voxels, as (n, 3) in LPS mm."""
    from skimage.measure import find_contours

    for k, plane in enumerate(array):
        for outline in find_contours(np.pad(plane, 1).astype(float), 0.5):
            j, i = (outline[:-1] - 1).T
            yield np.column_stack([i, j, np.full(len(i), k), np.ones(len(i))]) @ affine[:3].T


def write_rtstruct(path, segments, series, *, kind="CLOSED_PLANAR", change=None):
    """segments : {name: list of arrays (n, 3), LPS mm}."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
    meta.MediaStorageSOPInstanceUID = "1.2.826.88.1"
    meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    data = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.826.88.1"
    data.Modality, data.PatientName = "RTSTRUCT", "Doe^Jane"
    data.StructureSetROISequence, data.ROIContourSequence = [], []
    image = series.images[0]
    one, study, frame = Dataset(), Dataset(), Dataset()
    one.SeriesInstanceUID = image.SeriesInstanceUID
    one.ContourImageSequence = []
    for source in series.images:
        item = Dataset()
        item.ReferencedSOPClassUID = source.SOPClassUID
        item.ReferencedSOPInstanceUID = source.SOPInstanceUID
        one.ContourImageSequence.append(item)
    study.RTReferencedSeriesSequence = [one]
    frame.FrameOfReferenceUID = image.FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    data.ReferencedFrameOfReferenceSequence = [frame]
    for number, (name, contours) in enumerate(segments.items(), 11):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = number, name
        roi.ReferencedFrameOfReferenceUID = image.FrameOfReferenceUID
        drawn.ReferencedROINumber, drawn.ContourSequence = number, []
        for points in contours:
            item = Dataset()
            item.ContourGeometricType = kind
            item.NumberOfContourPoints = len(points)
            item.ContourData = [f"{v:.10g}"[:16] for v in np.ravel(points)]
            drawn.ContourSequence.append(item)
        data.StructureSetROISequence.append(roi)
        data.ROIContourSequence.append(drawn)
    if change:
        change(data)
    pydicom.dcmwrite(path, data, enforce_file_format=True)
    return path


def write_nrrd(path, array, affine, fields=(), *, space="left-posterior-superior", encoding="gzip"):
    """A .nrrd of (k, j, i) or, with layers, (k, j, i, layer); `affine` to LPS mm."""
    layered = array.ndim == 4
    flip = np.diag([-1, -1, 1]) if space == "right-anterior-superior" else np.eye(3)
    columns, origin = flip @ affine[:3, :3], flip @ affine[:3, 3]
    directions = " ".join("(" + ",".join(f"{v:.12g}" for v in column) + ")" for column in columns.T)
    kinds = {"u1": "uchar", "i2": "short", "f4": "float"}
    lines = [
        "NRRD0004",
        "# as 3D Slicer writes it",
        f"type: {kinds[array.dtype.str[1:]]}",
        f"dimension: {array.ndim}",
        f"space: {space}",
        f"sizes: {' '.join(map(str, array.shape[3:] + array.shape[2::-1]))}",
        f"space directions: {'none ' if layered else ''}{directions}",
        f"kinds: {'list ' if layered else ''}domain domain domain",
        "endian: little",
        f"encoding: {encoding}",
        "space origin: (" + ",".join(f"{v:.12g}" for v in origin) + ")",
        *(f"{key}:={value}" for key, value in dict(fields).items()),
    ]
    content = np.ascontiguousarray(array).tobytes()
    content = gzip.compress(content, 1) if encoding == "gzip" else content
    Path(path).write_bytes("\n".join([*lines, "", ""]).encode() + content)
    return path


def slicer_fields(segments):
    """Header fields of a .seg.nrrd: {name: (value, layer)}."""
    fields = {"Segmentation_MasterRepresentation": "Binary labelmap"}
    for number, (name, (value, layer)) in enumerate(segments.items()):
        fields |= {
            f"Segment{number}_ID": f"Segment_{number + 1}",
            f"Segment{number}_Name": name,
            f"Segment{number}_LabelValue": value,
            f"Segment{number}_Layer": layer,
            f"Segment{number}_Tags": "TerminologyEntry:Segmentation category~SCT^85756007^Tissue|",
        }
    return fields


def read(path, series=None, role="tumor", source=True, **rules):
    """A mask as a job reads it, on its series' canonical grid."""
    rules = cohort.MaskRules(role, **({"known": LABELS} | rules))
    image = series and series.image
    if source is True:
        source = series.source() if series else None
    return cohort.read_mask_with_record(
        path, rules, image, patient="P1", column=role, source=source
    )


def refused(path, series, *words, **more):
    """The error by which a mask is refused: it has these words and no UID."""
    with pytest.raises(InputError) as error:
        read(path, series, **more)
    for word in words:
        assert word in str(error.value), str(error.value)
    assert "1.2." not in str(error.value) and "1.2." not in error.value.full
    return error.value
