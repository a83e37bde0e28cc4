"""The phantom as DICOM of many kinds, and how tests read it."""

import numpy as np
import pytest
from cohort_phantom import CUBE_MM, SHAPE, cube_mm, dicom_series, phantom

from nodestage import cohort
from nodestage.core.errors import InputError


def read(folder, **more):
    return cohort.read_ct_with_record(folder, patient="P1", column="venous", **more)


def refused(folder, *words, **more):
    with pytest.raises(InputError) as error:
        read(folder, **more)
    for word in ("P1", "venous", *words):
        assert word in str(error.value), str(error.value)
    assert str(folder) not in str(error.value)
    return error.value


def assert_is_phantom(volume):
    np.testing.assert_array_equal(volume.array, phantom())
    np.testing.assert_allclose(volume.spacing, (2.5, 1.5, 1.5))
    np.testing.assert_allclose(cube_mm(volume), CUBE_MM, atol=1e-4)
    assert volume.array.dtype == np.int16


def tilted(degrees):
    """Orientation of a gantry tilted about the patient's left-right axis."""
    angle = np.radians(degrees)
    return (1, 0, 0, 0, np.cos(angle), np.sin(angle))


def in_tilted_frame(orientation, positions, background=-3024):
    """The phantom sampled on tilted slices, from its shapes in mm (nearest voxel)."""
    array = np.full(SHAPE, background, np.int16)
    truth = phantom()
    row, column = np.reshape(orientation, (2, 3))
    for k in range(SHAPE[0]):
        y, x = np.indices(SHAPE[1:])
        place = np.array(positions(k)) + 1.5 * (x[..., None] * row + y[..., None] * column)
        index = np.rint((place - (-48, -40, -30)) / (1.5, 1.5, 2.5)).astype(int)
        inside = ((index >= 0) & (index < (64, 64, 24))).all(-1)
        array[k][inside] = truth[index[inside][:, 2], index[inside][:, 1], index[inside][:, 0]]
    return array


def add_strangers(folder):
    def localizer(data, k):
        data.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    def dose(data, k):
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.67"
        del data.PixelData

    def capture(data, k):
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"

    coronal = (1, 0, 0, 0, 0, -1)
    wide = np.zeros((1, 80, 90), np.int16)
    for name, change in [("localizer", localizer), ("dose", dose), ("capture", capture)]:
        dicom_series(
            folder / name, wide, orientation=coronal, change=change, names=lambda k: "A000.dcm"
        )
    for name in ("DICOMDIR", "Thumbs.db", "read me.txt", ".nomedia"):
        (folder / name).write_bytes(b"" if name == ".nomedia" else b"something else" * 40)


def two_series(folder):
    def soft(data, k):
        data.SeriesNumber, data.ConvolutionKernel, data.SeriesDescription = 3, "B20f", "CANARY soft"

    def sharp(data, k):
        data.SeriesNumber, data.ConvolutionKernel, data.SliceThickness = 5, "B70f", 1.25

    dicom_series(folder / "a", phantom()[::2], spacing=(5, 1.5, 1.5), uid="1.2.826.3", change=soft)
    dicom_series(folder / "b", uid="1.2.826.4", change=sharp)


def compress(syntax):
    def encode(data):
        if syntax == "deflated":
            data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
        else:
            data.compress(syntax, generate_instance_uid=False)

    return encode


CANARY = "CANARY"


def plant(data, k):
    """Identifiers wherever a header has room for text."""
    for name in (
        "PatientName PatientID PatientComments AccessionNumber InstitutionName InstitutionAddress StationName "
        "ReferringPhysicianName OperatorsName SeriesDescription StudyDescription ProtocolName StudyID "
        "DeviceSerialNumber ImageComments ConvolutionKernel AdditionalPatientHistory"
    ).split():
        setattr(data, name, CANARY)
    data.PatientBirthDate, data.StudyDate, data.AcquisitionDate, data.ContentTime = (
        "19430217",
    ) * 3 + ("194302.17",)
    data.AcquisitionDateTime = f"19430217{k:06d}"
    block = data.private_block(0x0029, CANARY, create=True)
    block.add_new(0x01, "LO", CANARY)
