"""Nine slices and one crop of a tumor, for the networks of the patient's status.

Section III-B of the paper: the three slices with the largest tumor area in each
of the axial, coronal and sagittal planes.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from nodestage.core import files, reasons

AIR = -1024
PLANES = ("axial", "coronal", "sagittal")  # array axes 0, 1, 2
PER_PLANE = 3


def nine_slices(arterial, venous, mask, spacing, size, pixel_mm=None):
    """The nine slices of one patient (Section III-B).

    Parameters
    ----------
    arterial, venous : int16 arrays (z, y, x), HU
    mask : bool array (z, y, x) with at least one voxel
    spacing : (z, y, x), mm
    size : pixels along a side of a slice
    pixel_mm : side of a pixel, mm; None: the in-plane study spacing

    Returns
    -------
    images : int16 array (9, 2, size, size), arterial and venous; air beyond the volume
    masks : uint8 array (9, size, size)
    planes : uint8 array (9,), index into `PLANES`

    Pixels are isotropic, so that a sagittal slice shows the tumor in its true proportions; between
    voxels the images are interpolated linearly, the mask cut at one half. Slices are centered at the centroid
    of their mask (see `_middle`). Equal areas go to the lowest index; a tumor that reaches
    fewer than three slices of a plane repeats its largest.
    """
    pixel = pixel_mm or spacing[2]
    images, masks, planes = [], [], []
    for axis, index in largest(mask):
        zoom = np.delete(np.asarray(spacing), axis) / pixel
        area = np.take(mask, index, axis=axis)
        center = _middle(area, size / zoom)
        pair = [
            _window(np.take(phase, index, axis=axis), center, zoom, size, 1, AIR)
            for phase in (arterial, venous)
        ]
        images.append(np.rint(pair).astype(np.int16))
        masks.append(_window(area.astype(np.float32), center, zoom, size, 1, 0) >= 0.5)
        planes.append(axis)
    return np.stack(images), np.stack(masks).astype(np.uint8), np.asarray(planes, np.uint8)


def largest(mask):
    """Where the nine slices of a bool mask (z, y, x) lie: (axis, index), a plane's largest first."""
    positions = []
    for axis in range(3):
        areas = mask.sum(axis=tuple(i for i in range(3) if i != axis))
        order = np.argsort(-areas, kind="stable")[:PER_PLANE]
        order = [i if areas[i] else order[0] for i in order]
        order += [order[0]] * (PER_PLANE - len(order))
        positions += [(axis, int(index)) for index in order]
    return positions


def crop(volume, mask, shape, fill=AIR):
    """A crop around the mask's centroid (see `_middle`) on the study grid.

    Parameters
    ----------
    volume : array (z, y, x)
    mask : bool array (z, y, x) with at least one voxel
    shape : (z, y, x) voxels of the crop
    fill : value beyond the volume

    Returns
    -------
    array of `shape`
    """
    center = _middle(mask, shape).astype(int)
    out = np.full(shape, fill, volume.dtype)
    start = center - np.asarray(shape) // 2
    source = tuple(
        slice(max(s, 0), min(s + n, total))
        for s, n, total in zip(start, shape, volume.shape, strict=True)
    )
    target = tuple(
        slice(piece.start - s, piece.stop - s) for piece, s in zip(source, start, strict=True)
    )
    out[target] = volume[source]
    return out


@dataclass(frozen=True)
class ViewSettings:
    """Size and center of the views.

    Attributes
    ----------
    size : pixels along a side of a slice
    crop : (z, y, x) voxels of the crop
    fallback : name of the organ on which the views are centered where no tumor is marked;
        None leaves such a patient without views
    pixel_mm : side of a pixel, mm; None: the in-plane study spacing
    """

    size: int
    crop: tuple[int, int, int]
    fallback: str | None = "pancreas"
    pixel_mm: float | None = None


def views(arterial, venous, tumor, organ, spacing, settings: ViewSettings):
    """The slices and the crop that the networks read of one patient.

    Parameters
    ----------
    arterial, venous : int16 arrays (z, y, x), HU
    tumor, organ : bool arrays (z, y, x); the organ is the one that holds the tumor
    spacing : (z, y, x), mm
    settings : ViewSettings

    Returns
    -------
    dict with `images`, `masks`, `planes` (see `nine_slices`), `crop` (2, z, y, x),
    `crop_mask` (z, y, x), and the record `usable`, `reason`, `source`
    """
    mask, source, reason = tumor, "tumor", ""
    if not tumor.any():
        reason = reasons.sentence("no_tumor")
        if settings.fallback is None:
            return {"usable": False, "reason": reason, "source": "none"}
        if not organ.any():
            known = "pancreas" if settings.fallback == "pancreas" else "organ"
            reason = reasons.sentence(f"no_tumor_or_{known}")
            return {"usable": False, "reason": reason, "source": "none"}
        mask, source = organ, settings.fallback
    images, masks, planes = nine_slices(
        arterial, venous, mask, spacing, settings.size, settings.pixel_mm
    )
    return {
        "usable": True,
        "reason": reason,
        "source": source,
        "images": images,
        "masks": masks,
        "planes": planes,
        "crop": np.stack([crop(p, mask, settings.crop) for p in (arterial, venous)]),
        "crop_mask": crop(mask.astype(np.uint8), mask, settings.crop, fill=0),
    }


def center_mm(mask, spacing, origin):
    """Centroid of a mask (z, y, x) as (x, y, z) in mm, in the coordinates of the tables of nodes.

    origin : (x, y, z) of the first voxel, mm
    """
    z, y, x = np.argwhere(mask).mean(axis=0) * spacing
    return np.array([x, y, z]) + origin


def write(path, views):
    """Write `views` as one .npz, whole or not at all (no pickle inside)."""
    with files.whole(path) as temporary, open(temporary, "wb") as handle:
        np.savez_compressed(handle, **{key: np.asarray(value) for key, value in views.items()})


def read(path):
    """Read what `write` wrote."""
    views = files.read_arrays(path)
    for key in ("usable", "reason", "source"):
        views[key] = views[key].item()
    return views


def _middle(mask, extent):
    """The voxel to center a window on: the mask's centroid.

    Where a window of `extent` voxels around it would show nothing of the mask, which lies in
    parts far from each other: the mask's voxel nearest to the centroid. Whole voxels, so that
    axial slices are cut out, not interpolated, and keep their texture.
    """
    voxels = np.argwhere(mask)
    away = voxels - voxels.mean(axis=0)
    if (np.abs(away) < np.asarray(extent) / 2 - 1).all(axis=1).any():
        return np.rint(voxels.mean(axis=0))
    return voxels[np.argmin((away**2).sum(axis=1))].astype(float)


def _window(plane, center, zoom, size, order, fill):
    """A square of `size` isotropic pixels around `center` of a 2D array."""
    steps = (np.arange(size) - size // 2)[None, :] / zoom[:, None]
    rows, columns = (center[:, None] + steps)[0], (center[:, None] + steps)[1]
    grid = np.meshgrid(rows, columns, indexing="ij")
    return ndimage.map_coordinates(
        plane.astype(np.float32), grid, order=order, mode="constant", cval=fill
    )
