"""Scans as another scanner or reconstruction would show them: softer, thicker slices, noisier, shifted HU.

Only what is lost can be simulated: no scan becomes sharper.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from nodestage.lymph_nodes.sharpness import FWHM

PLANE_MM, THROUGH_MM = 3.5, 3.5  # largest additional blur (FWHM), in the plane and across slices
NOISE_HU = 8.0  # largest SD of the additional noise
SHIFT_HU = 5.0  # SD of the offset
GRAIN = 0.6  # width of the noise's grain, in that of the blur
REACH = 3  # SD of the blur that a box must have as margin


@dataclass(frozen=True)
class Scanner:
    """What another scanner does to a scan.

    Attributes
    ----------
    plane_mm, through_mm : additional blur (FWHM) in the plane and across the slices, mm
    noise_hu, shift_hu : SD of the additional noise, and the offset, HU
    """

    plane_mm: float
    through_mm: float
    noise_hu: float
    shift_hu: float

    def scan(
        self, image: np.ndarray, spacing: tuple[float, float, float], random: np.random.Generator
    ) -> np.ndarray:
        """An image (z, y, x) in HU as this scanner shows it, float32."""
        widths = np.array([self.through_mm, self.plane_mm, self.plane_mm]) / FWHM / spacing
        softer = ndimage.gaussian_filter(image.astype(np.float32), widths, truncate=REACH)
        noise = random.standard_normal(image.shape, dtype=np.float32)
        noise = ndimage.gaussian_filter(noise, GRAIN * widths, truncate=REACH)
        noise *= np.float32(self.noise_hu / max(float(noise.std()), 1e-6))
        return softer + noise + np.float32(self.shift_hu)


def draw(random: np.random.Generator) -> Scanner:
    """A scanner, drawn within the module's limits."""
    return Scanner(
        random.uniform(0, PLANE_MM),
        random.uniform(0, THROUGH_MM),
        random.uniform(0, NOISE_HU),
        random.normal(0, SHIFT_HU),
    )


def margin(spacing: tuple[float, float, float]) -> np.ndarray:
    """Voxels (z, y, x) around a region that the strongest blur reaches."""
    widest = np.array([THROUGH_MM, PLANE_MM, PLANE_MM])
    return np.ceil(REACH * widest / FWHM / np.asarray(spacing)).astype(int)
