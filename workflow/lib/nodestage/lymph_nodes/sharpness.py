"""How sharp a scan is in the plane, measured where the body, or gas in the bowel, meets air."""

import numpy as np
from scipy import ndimage

AIR_HU, TISSUE_HU = -900, -200  # on either side of an edge: nothing but air; soft tissue or fat
MIDDLE_HU = -550
OUTSIDE_HU = -1000  # scanners fill what they don't see with less
REACH = 4  # voxels of a profile on either side of an edge
SLICES = 20  # of a scan that are looked at
MIN_COSINE = 0.8  # of the angle between a profile and the normal of its edge
MIN_EDGES = 50
USUAL_MM = 2.7  # of a scan that shows too few edges
FWHM = 2.355  # of a Gaussian, in SD


def edge_mm(image: np.ndarray, spacing: tuple[float, float, float], blur_mm: float = 0.0) -> float:
    """Width of the edges between air and tissue in the plane: FWHM of the blur, mm.

    The kernel of the reconstruction shows in it, and every resampling since. Profiles along x and y
    are taken across the edges; the variance of a profile's slope is that of the blur.

    Parameters
    ----------
    image : (z, y, x), HU
    spacing : (z, y, x), mm
    blur_mm : width (FWHM) of a blur in the plane that the image is given first

    Returns
    -------
    float, the median over all edges; `USUAL_MM` where fewer than `MIN_EDGES` lie within the image
    """
    chosen = np.unique(np.linspace(0, len(image) - 1, min(SLICES, len(image))).astype(int))
    slices = np.maximum(image[chosen], OUTSIDE_HU).astype(np.float32)
    if blur_mm:
        width = blur_mm / FWHM / np.asarray(spacing[1:])
        slices = ndimage.gaussian_filter(slices, (0, *width))
    along_y, along_x = np.gradient(
        ndimage.gaussian_filter(slices, (0, 1, 1)), *spacing[1:], axis=(1, 2)
    )
    steepness = np.hypot(along_y, along_x) + 1e-6
    across, turned = np.swapaxes(slices, 1, 2), np.swapaxes(along_y / steepness, 1, 2)
    variances = np.concatenate(
        [
            _variances(slices, along_x / steepness, spacing[2]),
            _variances(across, turned, spacing[1]),
        ]
    )
    if len(variances) < MIN_EDGES:
        return USUAL_MM
    return float(FWHM * np.sqrt(max(np.median(variances), 0.0)))


def _variances(slices, cosines, step):
    """Variance of the blur in mm², of each edge that a line along the last axis crosses.

    slices : (n, lines, voxels), HU; cosines : of the angle between the edge's normal and the lines,
    alike; step : between two voxels of a line, mm
    """
    air = slices < MIDDLE_HU
    edges = np.argwhere(air[..., :-1] != air[..., 1:])
    within = (edges[:, 2] >= REACH - 1) & (edges[:, 2] < slices.shape[2] - REACH)
    index, lines, starts = edges[within].T
    cosine = np.abs(cosines[index, lines, starts] + cosines[index, lines, starts + 1]) / 2
    offsets = np.arange(1 - REACH, REACH + 1)
    profiles = slices[index[:, None], lines[:, None], starts[:, None] + offsets].astype(float)
    falling = profiles[:, -1] < profiles[:, 0]
    profiles[falling] = profiles[falling, ::-1]
    clear = (profiles[:, :2].max(1) < AIR_HU) & (profiles[:, -2:].min(1) > TISSUE_HU)
    clear &= cosine > MIN_COSINE
    slope = np.diff(profiles[clear], axis=1)
    slope /= slope.sum(1, keepdims=True)
    at = (offsets[:-1] + 0.5) * step
    return (slope @ at**2 - (slope @ at) ** 2) * cosine[clear] ** 2
