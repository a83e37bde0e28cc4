"""From tissues to a scan: center effects, kernel, slice thickness, noise, and the position of the table."""

import numpy as np
from scipy import ndimage

from nodestage.core.volumes import Vector

_FWHM = 2.355  # of a Gaussian, in SD


def setup(random: np.random.Generator, settings: dict, center: dict, positive: bool) -> dict:
    """Draw what is particular to one patient's examination.

    Returns
    -------
    dict with noise (HU), kernel and slice thickness (mm), HU offset, timing, whether the scan
    bears the mark of the shortcut, and for each phase its grid
    """
    scanner = center["scanner"]
    agrees = random.random() < scanner["shortcut"]
    marked = bool(positive if agrees else not positive)
    noise = scanner["noise_hu"] * random.uniform(0.93, 1.07)
    table = random.uniform((-40, -150, -30), (40, -60, 30))
    grids = {}
    for phase in ("venous", "arterial"):
        field = random.uniform(0.98, 1.03) if phase == "arterial" else 1.0
        slices = int(random.integers(-2, 3)) if phase == "arterial" else 0
        shift = random.uniform(-4, 4, size=3) * (phase == "arterial")
        grids[phase] = _grid(settings, center, field, slices, shift, table)
    return {
        "noise_hu": noise + settings["shortcut_noise_hu"] * marked,
        "kernel_mm": scanner["kernel_mm"],
        "thickness_mm": scanner["thickness_mm"],
        "hu_offset": scanner["hu_offset"],
        "timing": float(np.clip(scanner["timing"] + 0.04 * random.normal(), 0, 1)),
        "shortcut": marked,
        "table": table,
        "grids": grids,
    }


def _grid(settings, center, field, slices, shift, table):
    """Shape, spacing (z, y, x), planes around the body's middle, and origin (x, y, z) of the scan.

    A center with another spacing covers the study's field with it.
    """
    spacing = np.array(center.get("spacing", settings["spacing"]), float)
    extent = np.array(settings["grid"]) * np.array(settings["spacing"], float)
    shape = np.round(extent / spacing).astype(int)
    shape[0] += slices
    spacing = spacing * np.array([1.0, field, field])
    spacing = np.round(spacing, 4)
    axes = [
        ((np.arange(n) - (n - 1) / 2) * step + move).astype(np.float32)
        for n, step, move in zip(shape, spacing, shift, strict=True)
    ]
    first = np.round([float(axis[0]) + offset for axis, offset in zip(axes, table, strict=True)], 3)
    return {
        "shape": tuple(int(n) for n in shape),
        "spacing": tuple(float(step) for step in spacing),
        "axes": axes,
        "origin": tuple(float(c) for c in first[::-1]),
    }


def scan(image: np.ndarray, exam: dict, spacing: Vector, random: np.random.Generator) -> np.ndarray:
    """Blur, add noise and the center's offset; int16 HU (z, y, x)."""
    plane = exam["kernel_mm"] / _FWHM
    through = exam["thickness_mm"] / np.sqrt(12)
    widths = [through / spacing[0], plane / spacing[1], plane / spacing[2]]
    image = ndimage.gaussian_filter(image, widths, truncate=3.0)
    noise = random.standard_normal(image.shape, dtype=np.float32)
    # Noise passes the kernel too, so a soft one gives coarse grain; its SD is set afterwards.
    noise = ndimage.gaussian_filter(noise, [0.6 * w for w in widths], truncate=3.0)
    noise *= np.float32(exam["noise_hu"] / noise.std())
    image += noise
    image += np.float32(exam["hu_offset"])
    return np.clip(np.rint(image), -1024, 3071).astype(np.int16)
