"""A patient's volumes as text: small NIfTI files, in one byte per voxel, on one grid."""

import base64
import gzip

import numpy as np
from scipy import ndimage

from nodestage.report.gallery import STORED_HU, Scan, gray

BUDGET = 1_500_000
"""Voxels of one volume: a scan of the upper abdomen at 1.5 mm, some 2 MB of text per patient."""

MARGIN_MM = 25.0
"""What is shown around tumor, nodes and attended region where the whole scan is over the budget."""

HEADER = 352  # bytes of a NIfTI before its voxels


def encoded(scan: Scan) -> dict[str, str]:
    """The volumes of a patient, each a gzipped NIfTI in base64.

    Parameters
    ----------
    scan : on the study grid, in canonical orientation

    Returns
    -------
    dict: `arterial`, `venous` (HU, cut off at `gallery.STORED_HU`, in steps of 2.2), and as far as they
    are there `map` (attention, 0 to 1), `organs` (their labels), `tumor` (1), `nodes` and `drawn` (1
    negative, 2 positive; called and drawn by a reader). All on one grid: that of the scan, or where it has more voxels than
    `BUDGET`, a box around what matters, on larger voxels.
    """
    masks = _masks(scan)
    box = _box(scan, masks)
    shape = tuple(side.stop - side.start for side in box)
    shrink = min((BUDGET / np.prod(shape)) ** (1 / 3), 1.0)
    spacing = np.asarray(scan.spacing, float)

    def file(array, order, slope=1.0, intercept=0.0):
        cut = array[box]
        if shrink < 1:
            cut = ndimage.zoom(cut, shrink, order=order, grid_mode=True, mode="nearest")
        voxel = spacing * shape / cut.shape
        return _nifti(np.rint(cut).astype(np.uint8), voxel, slope, intercept)

    low, high = STORED_HU
    volumes = {
        name: file(gray(phase), 1, (high - low) / 255, low) for name, phase in scan.phases.items()
    }
    if scan.attention is not None:
        volumes["map"] = file(np.clip(scan.attention, 0, 1) * 255, 1, 1 / 255)
    return volumes | {name: file(mask, 0) for name, mask in masks.items()}


def _masks(scan):
    """Overlays as label volumes: negative and positive nodes share one volume."""
    layers, masks = scan.layers, {}
    for name in ("organs", "tumor"):
        if name in layers:
            masks[name] = layers[name].astype(np.uint8)
    for name, prefix in (("nodes", "nodes"), ("drawn", "truth")):
        kinds = [layers.get(f"{prefix}_{kind}") for kind in ("negative", "positive")]
        values = [value * (kind > 0) for value, kind in enumerate(kinds, 1) if kind is not None]
        if values:
            masks[name] = np.max(values, axis=0).astype(np.uint8)
    return {name: mask for name, mask in masks.items() if mask.any()}


def _box(scan, masks):
    whole = tuple(slice(0, length) for length in scan.shape)
    parts = [mask > 0 for name, mask in masks.items() if name != "organs"]
    if scan.attention is not None:
        parts.append(scan.attention > 0)
    shown = np.any(parts, axis=0) if parts else np.zeros(scan.shape, bool)
    if np.prod(scan.shape) <= BUDGET or not shown.any():
        return whole
    margin = np.ceil(MARGIN_MM / np.asarray(scan.spacing)).astype(int)
    (box,) = ndimage.find_objects(shown.astype(np.uint8))
    return tuple(
        slice(max(side.start - more, 0), min(side.stop + more, length))
        for side, more, length in zip(box, margin, scan.shape, strict=True)
    )


def _nifti(array, spacing, slope, intercept):
    """A gzipped NIfTI of bytes (z, y, x) in canonical orientation (LPS), as base64."""
    from nibabel.nifti1 import Nifti1Header

    z, y, x = (float(step) for step in spacing)
    header = Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(array.shape[::-1])
    header.set_zooms((x, y, z))
    header.set_xyzt_units("mm")
    header.set_sform(np.diag([-x, -y, z, 1.0]), code=1)  # NIfTI counts to the left and the front
    header.set_slope_inter(slope, intercept)
    header["magic"], header["vox_offset"] = b"n+1", HEADER
    raw = header.binaryblock + bytes(HEADER - 348) + np.ascontiguousarray(array).tobytes()
    return base64.b64encode(gzip.compress(raw, 6, mtime=0)).decode("ascii")
