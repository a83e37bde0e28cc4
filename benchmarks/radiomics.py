"""Radiomics of one phase: nodestage against PyRadiomics' plain call, at the same values.

    OMP_NUM_THREADS=1 python benchmarks/radiomics.py

Three sizes: the default study's grid, a cube of 160 voxels, and a CT at paper resolution
(this one with `--large`). Prints seconds (best of `--repeat`), the ratio, and the largest
relative difference between the two.
"""

import argparse
import logging
import sys
import time
from pathlib import Path

# This file has PyRadiomics' own name, and a script's folder comes first on the path.
sys.path = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).parent.resolve()]

import numpy as np  # noqa: E402
from radiomics import featureextractor  # noqa: E402
from scipy import ndimage  # noqa: E402

from nodestage.methods import radiomics  # noqa: E402
from nodestage.methods.radiomics import extraction, filters  # noqa: E402

SIZES = {
    "default study": ((64, 96, 96), (2.5, 2.0, 2.0), (6, 8, 8)),
    "cube": ((160, 160, 160), (0.8, 0.8, 0.8), (20, 20, 20)),
    "paper": ((200, 400, 400), (0.8, 0.68, 0.68), (20, 22, 22)),
}


def phantom(shape, radius):
    """An image with CT-like texture and air in front, and an ellipsoid in its middle."""
    noise = np.random.default_rng(0).normal(size=shape)
    image = (ndimage.gaussian_filter(noise, 1) * 300 + 60).astype(np.int16)
    image[:, : shape[1] // 8] = -1000
    offsets = [
        ((i - n / 2) / r) ** 2 for i, n, r in zip(np.indices(shape), shape, radius, strict=True)
    ]
    return image, (sum(offsets) < 1).astype(np.uint8)


def best_of(repeat, call):
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        found = call()
        seconds.append(time.perf_counter() - started)
    return min(seconds), found


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--repeat", type=int, default=2)
    options.add_argument("--large", action="store_true")
    options = options.parse_args()
    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    extractor = featureextractor.RadiomicsFeatureExtractor(str(extraction.SETTINGS))
    print("size\tvoxels of tumor\tnodestage s\tplain s\tratio\tlargest relative difference")
    for name, (shape, spacing, radius) in SIZES.items():
        if name == "paper" and not options.large:
            continue
        image, mask = phantom(shape, radius)
        ours, found = best_of(
            options.repeat, lambda i=image, m=mask, s=spacing: radiomics.features(i, m, s)
        )
        nodes = filters.as_sitk(image, spacing), filters.as_sitk(mask, spacing)
        plain, expected = best_of(options.repeat, lambda n=nodes: extractor.execute(*n))
        expected = np.asarray([float(np.real(expected[key])) for key in found])
        values = np.asarray(list(found.values()))
        apart = np.abs(values - expected) / np.maximum(np.abs(expected), 1)
        print(
            f"{name}\t{mask.sum()}\t{ours:.2f}\t{plain:.2f}\t{plain / ours:.1f}\t{apart.max():.1e}"
        )


if __name__ == "__main__":
    main()
