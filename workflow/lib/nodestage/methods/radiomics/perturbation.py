"""Small changes of a patient's mask and images, under which a robust radiomics feature stays as it is.

The changes are those of Zwanenburg and others (Sci Rep 2019;9:614, doi:10.1038/s41598-018-36938-4) in
kind: volume, contour, translation, interpolation and noise. Arrays are (z, y, x), spacing is in mm in
the same order.
"""

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from nodestage.methods.radiomics import filters

NAMES = ("eroded", "dilated", "contour", "shifted", "regridded", "noise")
"""The changes, in the order in which `perturbed` makes them."""

CONTOUR_MM, CONTOUR_VOXELS = 1.0, 0.5
"""SD of the contour's displacement: the larger of 1 mm and half a voxel."""
SMOOTH = 3.0
"""Distance over which points of the contour move together, in SDs of the displacement."""
NOISE_MARGIN = 8
"""Voxels around the tumor from which the noise of an image is estimated too."""


def perturbed(
    phases: np.ndarray, mask: np.ndarray, spacing: tuple[float, ...], seed: int
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield (name, phases, mask) of each change in `NAMES`.

    Parameters
    ----------
    phases : (2, z, y, x), HU
    mask : (z, y, x), tumor where > 0
    spacing : (z, y, x), mm
    seed : int; the same seed gives the same changes

    Yields
    ------
    name : of `NAMES`
    phases : float32 array (2, z, y, x); one voxel less along each axis where it is `regridded`
    mask : bool array of the same grid, which may be empty (a small tumor, eroded)
    """
    mask, rng = np.asarray(mask) > 0, np.random.default_rng(seed)
    yield "eroded", phases, ndimage.binary_erosion(mask)
    yield "dilated", phases, ndimage.binary_dilation(mask)
    yield "contour", phases, displaced_contour(mask, spacing, rng)
    yield "shifted", phases, shifted(mask, rng)
    yield "regridded", np.stack([between_voxels(image) for image in phases]), _half(mask)
    yield "noise", np.stack([with_noise(image, mask, rng) for image in phases]), mask


def displaced_contour(
    mask: np.ndarray, spacing: tuple[float, ...], rng: np.random.Generator
) -> np.ndarray:
    """The mask with its contour moved out and in by a smooth random field, as by another reader.

    The displacement of a point is normal, with an SD of 1 mm or of half a voxel if that is more, and
    neighbors within three such SDs move together.
    """
    edge = float(np.mean(spacing))
    sd = max(CONTOUR_MM, CONTOUR_VOXELS * edge)
    inside = ndimage.distance_transform_edt(mask, spacing)
    outside = ndimage.distance_transform_edt(~mask, spacing)
    # Distances are between voxel centers: the contour lies half a voxel from the nearest one.
    distance = np.where(mask, edge / 2 - inside, outside - edge / 2)
    field = ndimage.gaussian_filter(rng.normal(size=mask.shape), [SMOOTH * sd / s for s in spacing])
    return distance < field * (sd / field.std())


def shifted(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mask moved by one voxel along an axis and in a direction that are drawn."""
    offset = [0, 0, 0]
    offset[rng.integers(3)] = int(rng.choice([-1, 1]))
    return ndimage.shift(mask, offset, order=0, mode="constant", cval=False, prefilter=False)


def between_voxels(image: np.ndarray) -> np.ndarray:
    """The image on a grid displaced by half a voxel along each axis, interpolated linearly.

    Parameters
    ----------
    image : (z, y, x); an axis of one voxel stays as it is

    Returns
    -------
    float32 array, one voxel less along each other axis
    """
    values: np.ndarray = np.asarray(image, np.float32)
    for axis, size in enumerate(values.shape):
        if size > 1:
            first, second = (np.take(values, range(i, size - 1 + i), axis) for i in (0, 1))
            values = (first + second) / 2
    return values


def _half(mask):
    """The mask on the same displaced grid: voxels of which at least half is in the tumor."""
    return between_voxels(mask) >= 0.5


def with_noise(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The image with as much normal noise again as it has around the tumor (`noise_hu`)."""
    sd = np.float32(noise_hu(image, mask))
    return np.asarray(image, np.float32) + sd * rng.standard_normal(image.shape, np.float32)


def noise_hu(image: np.ndarray, mask: np.ndarray) -> float:
    """SD of the noise of an image around a mask, HU.

    The median absolute value of the wavelet sub-band of high frequencies along all axes, over 0.6745:
    what it is of normal noise (Donoho, IEEE Trans Inf Theory 1995;41:613).
    """
    hit = np.argwhere(mask)
    if not len(hit):
        return 0.0
    box = tuple(slice(int(a), int(b) + 1) for a, b in zip(hit.min(0), hit.max(0), strict=True))
    wide, _ = filters.widen(box, image.shape, (NOISE_MARGIN,) * 3)
    bands = dict(filters.filtered_images(image, wide, (1.0, 1.0, 1.0), {"Wavelet": None}))
    return float(np.median(np.abs(bands["wavelet-HHH"])) / 0.6745)
