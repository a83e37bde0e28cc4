"""The phantom of the intake tests, as DICOM slices, an enhanced file, or NIfTI.

24 slices of 64 × 64 voxels, 1.5 × 1.5 × 2.5 mm: air −1000, body 40, a spine of 500
behind, an aorta of 150, and a cube of 900 off the center on all three axes.
"""

import struct
from pathlib import Path

import numpy as np

SHAPE, SPACING, ORIGIN = (24, 64, 64), (2.5, 1.5, 1.5), (-48.0, -40.0, -30.0)
CUBE = (slice(14, 18), slice(20, 26), slice(36, 42))
CUBE_MM = (
    ORIGIN[0] + 38.5 * 1.5,
    ORIGIN[1] + 22.5 * 1.5,
    ORIGIN[2] + 15.5 * 2.5,
)  # x, y, z


def phantom():
    """int16 HU (z, y, x), canonical."""
    _, y, x = np.indices(SHAPE)
    array = np.full(SHAPE, -1000, np.int16)
    array[((y - 32) / 24) ** 2 + ((x - 32) / 28) ** 2 < 1] = 40
    array[(y - 48) ** 2 + (x - 32) ** 2 < 30] = 500
    array[(y - 38) ** 2 + (x - 30) ** 2 < 16] = 150
    array[CUBE] = 900
    return array


def cube_mm(volume):
    """Where the cube's center lies (x, y, z), mm."""
    where = np.argwhere(volume.array > 700)
    return np.array(volume.origin) + where.mean(0)[::-1] * np.array(volume.spacing[::-1])


def dicom_series(
    folder,
    array=None,
    *,
    keep=None,
    positions=None,
    orientation=(1, 0, 0, 0, 1, 0),
    spacing=SPACING,
    origin=ORIGIN,
    slopes=(1.0, -1024.0),
    signed=False,
    uid="1.2.826.1",
    names=None,
    change=None,
    encode=None,
    stored=16,
):
    """Write a CT series. `change(dataset, k)` edits a slice; `encode(dataset)` compresses it."""
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    array = phantom() if array is None else array
    order = range(len(array)) if keep is None else keep
    for k in order:
        slope, intercept = slopes(k) if callable(slopes) else slopes
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        meta.MediaStorageSOPInstanceUID = f"{uid}.{k + 1}"
        meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
        data = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID = (
            meta.MediaStorageSOPClassUID,
            meta.MediaStorageSOPInstanceUID,
        )
        data.SeriesInstanceUID, data.StudyInstanceUID, data.FrameOfReferenceUID = (
            uid,
            "1.2.3",
            "1.2.4",
        )
        data.Modality, data.PatientID, data.PatientName = "CT", "X1", "Doe^Jane"
        data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        data.SeriesNumber, data.ConvolutionKernel, data.SliceThickness = 4, "B30f", 2.5
        data.InstanceNumber = 1  # all equal: nobody may sort by it
        position = positions(k) if positions else (origin[0], origin[1], origin[2] + k * spacing[0])
        data.ImagePositionPatient = [f"{v:.6f}"[:16] for v in position]
        data.ImageOrientationPatient = [f"{v:.9f}"[:16] for v in orientation]
        data.PixelSpacing = [spacing[1], spacing[2]]
        data.Rows, data.Columns = array.shape[1:]
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, stored, stored - 1
        data.PixelRepresentation = int(signed)
        data.RescaleSlope, data.RescaleIntercept = slope, intercept
        values = np.rint((array[k].astype(float) - intercept) / slope)
        data.PixelData = values.astype("<i2" if signed else "<u2").tobytes()
        if change:
            change(data, k)
        if encode:
            encode(data)
        name = names(k) if names else f"IM{(k * 7) % 101:03d}.dcm"  # names in no useful order
        pydicom.dcmwrite(folder / name, data, enforce_file_format=True)
    return folder


def enhanced(path, array=None, order=None, uid="1.2.826.9", change=None):
    """One Enhanced CT file, frames in `order`."""
    import pydicom
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.sequence import Sequence

    array = phantom() if array is None else array
    order = list(range(len(array))) if order is None else list(order)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    meta.MediaStorageSOPInstanceUID = f"{uid}.1"
    meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    data = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = (
        meta.MediaStorageSOPClassUID,
        meta.MediaStorageSOPInstanceUID,
    )
    data.SeriesInstanceUID, data.StudyInstanceUID = uid, "1.2.3"
    data.Modality, data.PatientID, data.SeriesNumber = "CT", "X1", int(uid.rpartition(".")[2])
    data.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    data.Rows, data.Columns, data.NumberOfFrames = *array.shape[1:], len(order)
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1

    def item(**values):
        found = Dataset()
        for name, value in values.items():
            setattr(found, name, value)
        return Sequence([found])

    shared = Dataset()
    shared.PixelMeasuresSequence = item(PixelSpacing=[1.5, 1.5], SliceThickness=2.5)
    shared.PlaneOrientationSequence = item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    shared.PixelValueTransformationSequence = item(
        RescaleSlope=1, RescaleIntercept=0, RescaleType="HU"
    )
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = []
    for k in order:
        own = Dataset()
        own.PlanePositionSequence = item(
            ImagePositionPatient=[ORIGIN[0], ORIGIN[1], ORIGIN[2] + 2.5 * k]
        )
        frames.append(own)
    data.PerFrameFunctionalGroupsSequence = Sequence(frames)
    data.PixelData = np.stack([array[k] for k in order]).astype("<i2").tobytes()
    if change:
        change(data)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, data, enforce_file_format=True)


CODES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "u2": 512}


def affine_ras(spacing=SPACING, origin=ORIGIN):
    """RAS affine (as NIfTI has it) of a canonical LPS grid."""
    affine = np.diag([-spacing[2], -spacing[1], spacing[0], 1.0])
    affine[:3, 3] = -origin[0], -origin[1], origin[2]
    return affine


def nifti(
    path,
    array,
    affine=None,
    *,
    qform=None,
    slope=0.0,
    inter=0.0,
    dtype=None,
    scode=1,
    text=b"",
    units=2,
):
    """Write a NIfTI-1 file from (z, y, x) values under a RAS affine for (x, y, z) indices.

    `qform`: (pixdim with qfac, b, c, d, shift) or None; `scode` 0 leaves the sform out.
    """
    import gzip

    array = np.asarray(array, dtype or array.dtype)
    affine = affine_ras() if affine is None else affine
    header = bytearray(348)
    dims = [array.ndim, *array.shape[::-1]] + [1] * (7 - array.ndim)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, *dims)
    kind = array.dtype.str[1:]
    struct.pack_into("<2h", header, 70, CODES[kind], array.dtype.itemsize * 8)
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    pixdim = qform[0] if qform else (1.0, *steps)
    struct.pack_into("<8f", header, 76, *pixdim, 1, 1, 1, 1)
    struct.pack_into("<3f", header, 108, 352, slope, inter)
    header[123] = units
    header[148 : 148 + len(text)] = text
    struct.pack_into("<2h", header, 252, 1 if qform else 0, scode)
    if qform:
        struct.pack_into("<6f", header, 256, *qform[1])
    struct.pack_into("<12f", header, 280, *affine[:3].ravel())
    header[344:348] = b"n+1\0"
    content = bytes(header) + b"\0\0\0\0" + np.ascontiguousarray(array).tobytes()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(gzip.compress(content, 1) if str(path).endswith(".gz") else content)
    return Path(path)
