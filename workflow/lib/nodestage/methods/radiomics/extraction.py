"""The 1688 features of one phase."""

import functools
import logging
import warnings
from pathlib import Path

import cc3d
import numpy as np
import yaml
from radiomics import getFeatureClasses, imageoperations

from nodestage.core import reasons
from nodestage.core.errors import InputError
from nodestage.methods.radiomics import filters
from nodestage.methods.radiomics.common import COUNT, Unscorable

SETTINGS = Path(__file__).with_name("settings.yaml")


@functools.cache
def settings():
    """The committed PyRadiomics parameter file, as a dict."""
    return yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))


def features(image, mask, spacing):
    """Radiomics features of one phase, equal to those of PyRadiomics on the whole image.

    Parameters
    ----------
    image : (z, y, x), HU. Four filters are scaled by the largest |HU| of this image, as
        in PyRadiomics, so give the same part of every patient
    mask : (z, y, x), foreground where > 0
    spacing : (z, y, x), mm

    Returns
    -------
    dict of 1688 finite floats, named as PyRadiomics names them

    Raises
    ------
    Unscorable : no voxel, one voxel, or no two voxels that touch (then gray-level
        co-occurrence is undefined)
    """
    image, mask = np.asarray(image), np.asarray(mask) > 0
    if image.shape != mask.shape:
        raise InputError(
            f"radiomics: the image has {image.shape} voxels (z, y, x), the mask {mask.shape}. "
            "Give a mask on the image's grid."
        )
    if not np.isfinite(image).all():
        raise InputError(
            f"radiomics: {int((~np.isfinite(image)).sum())} voxels of the image are not numbers."
        )
    spacing = tuple(float(s) for s in spacing)
    _check(mask)
    config = settings()
    box = bounding_box(mask)
    node = filters.as_sitk(mask[box].astype(np.uint8), spacing)

    voxels = np.nonzero(mask[box])
    values = {}
    with _quietly():
        classes = {name: getFeatureClasses()[name] for name in config["featureClass"]}
        shape = classes.pop("shape")(node, node, **config["setting"])
        values.update(_named("original_shape", shape.execute()))
        for name, array in filters.filtered_images(image, box, spacing, config["imageType"]):
            image = filters.as_sitk(array, spacing)
            binned, _ = imageoperations.binImage(array, voxels, **config["setting"])
            values.update(_of_image(name, image, node, binned, classes, config["setting"]))
    missing = sorted(name for name, value in values.items() if not np.isfinite(value))
    if missing:
        raise Unscorable(
            reasons.sentence(
                "mask_leaves_undefined",
                voxels=int(mask.sum()),
                missing=len(missing),
                count=COUNT,
                first=missing[0],
            )
        )
    return values


def _check(mask):
    count = int(mask.sum())
    if count == 0:
        raise Unscorable(reasons.sentence("mask_empty"))
    if count == 1:
        raise Unscorable(reasons.sentence("mask_one_voxel"))
    if cc3d.connected_components(mask, connectivity=26, return_N=True)[1] == count:
        raise Unscorable(reasons.sentence("mask_scattered", voxels=count))


def bounding_box(mask):
    """Slices (z, y, x) of the smallest box around a mask that holds a voxel."""
    return tuple(
        slice(int(hit[0]), int(hit[-1]) + 1)
        for hit in (np.flatnonzero(mask.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1)))
    )


def _of_image(name, image, node, binned, classes, options):
    """The 93 first-order and texture features of one (filtered) image.

    image, node : SimpleITK images of the box around the node; binned : gray levels of `image`
    """
    values = {}
    for kind, base in classes.items():
        calculator = _sharing_bins(base)(image, node, binned=binned, **options)
        values.update(_named(f"{name}_{kind}", calculator.execute()))
    return values


@functools.cache
def _sharing_bins(base):
    """The feature class `base` on gray levels already binned; each of the six would bin anew.

    It also stores its feature names, which `base` looks up by inspection each time.
    """
    names = base.getFeatureNames()

    class SharingBins(base):
        @classmethod
        def getFeatureNames(cls):
            return names

        def _applyBinning(self, matrix):
            binned = self.settings["binned"]
            levels = np.unique(binned[self.maskArray])
            self.coefficients["grayLevels"] = levels
            self.coefficients["Ng"] = int(levels[-1])
            return binned.copy()

    # PyRadiomics names its loggers after the module; `_quietly` silences those of `radiomics`.
    SharingBins.__module__ = base.__module__
    return SharingBins


def _named(prefix, values):
    # Eigenvalues of tiny regions come out complex with a zero imaginary part.
    return {f"{prefix}_{name}": float(np.real(value)) for name, value in values.items()}


class _quietly:
    """Silence the many warnings of PyRadiomics and NumPy on flat regions; we test for these."""

    def __enter__(self):
        self._logger = logging.getLogger("radiomics")
        self._level = self._logger.level
        self._logger.setLevel(logging.CRITICAL)
        self._caught = warnings.catch_warnings()
        self._caught.__enter__()
        warnings.simplefilter("ignore")

    def __exit__(self, *error):
        self._caught.__exit__(*error)
        self._logger.setLevel(self._level)
