"""CT volumes and masks: arrays with their position in the patient."""

import errno
import gzip
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from nodestage.core import files
from nodestage.core.errors import InputError

Vector = Sequence[float] | np.ndarray  # three numbers, (z, y, x)
MAX_HEADER = 1024  # bytes before the voxels of a NIfTI that ITK writes
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Volume:
    """An image on a regular grid.

    Attributes
    ----------
    array : (z, y, x)
    spacing : (z, y, x), mm
    origin : (x, y, z) of the first voxel's center, mm, in ITK's LPS coordinates
    direction : nine numbers as in ITK, row by row; the identity in canonical orientation
    """

    array: np.ndarray
    spacing: tuple[float, ...]
    origin: tuple[float, ...] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = IDENTITY

    def with_array(self, array: np.ndarray) -> "Volume":
        """The same grid, other values."""
        if array.shape != self.array.shape:
            raise ValueError(f"shape {array.shape} does not fit the grid {self.array.shape}")
        return replace(self, array=array)


def to_sitk(volume: Volume) -> sitk.Image:
    """The volume as a SimpleITK image."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.array))
    image.SetSpacing([float(s) for s in reversed(volume.spacing)])
    image.SetOrigin([float(o) for o in volume.origin])
    image.SetDirection([float(d) for d in volume.direction])
    return image


def from_sitk(image: sitk.Image) -> Volume:
    """A SimpleITK image as a volume."""
    return Volume(
        sitk.GetArrayFromImage(image),
        tuple(reversed(image.GetSpacing())),
        tuple(image.GetOrigin()),
        tuple(image.GetDirection()),
    )


def read(path: str | Path) -> Volume:
    """Read a volume that a stage of this workflow wrote.

    For a file from outside use `cohort.read_ct`, which checks it.
    """
    return from_sitk(read_image(path))


def read_image(path: str | Path) -> sitk.Image:
    """A SimpleITK image from a file of this workflow, refused when it was cut short."""
    try:
        if str(path).endswith(".gz"):
            # To its end first: ITK takes a cut file for whole, with zeros in it.
            with gzip.open(path) as packed:
                while packed.read(1 << 22):
                    pass
        return sitk.ReadImage(str(path))
    except (RuntimeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path} can't be read as an image; it is damaged or was cut short. "
            "Delete it and run again: the workflow writes it anew."
        ) from error


def write(path: str | Path, array: np.ndarray, like: Volume) -> None:
    """Write `array` (z, y, x) on the grid of the volume `like`, whole or not at all."""
    with files.whole(path) as temporary:
        write_image(temporary, to_sitk(replace(like, array=np.asarray(array))))


def write_image(path: str | Path, image: sitk.Image) -> None:
    """Write a SimpleITK image, compressed, to a file that nobody else reads yet.

    Raises
    ------
    OSError where not all of it arrived: on a full disk ITK ends well, with a cut file
    """
    try:
        sitk.WriteImage(image, str(path), useCompression=True, compressionLevel=1)
    except RuntimeError as error:
        # ITK's words name no cause; the folder does.
        with open(path, "ab"):
            raise error from None
    pixels = image.GetNumberOfPixels() * image.GetNumberOfComponentsPerPixel()
    needed = pixels * image.GetSizeOfPixelComponent()
    zipped = str(path).endswith(".gz")
    arrived = files.unpacked_length(path) if zipped else os.path.getsize(path)
    if (arrived - needed) % (1 << 32) > MAX_HEADER:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def write_volume(path: str | Path, volume: Volume) -> None:
    """Write a volume, whole or not at all."""
    write(path, volume.array, like=volume)


def same_grid(a: Volume, b: Volume, tolerance: float = 1e-3) -> bool:
    """Whether two volumes have the same voxels at the same positions (to `tolerance` mm)."""
    return (
        a.array.shape == b.array.shape
        and np.allclose(a.spacing, b.spacing, atol=tolerance)
        and np.allclose(a.origin, b.origin, atol=tolerance)
        and np.allclose(a.direction, b.direction, atol=tolerance)
    )


def check_same_grid(patient: str, what: str, labels: Volume, image: Volume) -> None:
    """Raise `InputError` unless labels lie on the grid of their image."""
    if labels.array.shape != image.array.shape or not same_grid(labels, image):
        raise InputError(
            f"{patient}: {what} ({labels.array.shape} voxels) are not on the grid of the image "
            f"({image.array.shape}). Delete them, so that they are made again."
        )
