"""Attention map: where lymph nodes may lie, from distances to organs and vessels.

Section III-A of the paper: a signed distance to each structure (Fig. 3), a
trapezium that turns it into a score (Eq. 1), and the maximum over structures
except inside one, where its own score counts (Eq. 2).
"""

from concurrent.futures import ThreadPoolExecutor

import edt
import numpy as np
from scipy import ndimage

BORDER_MM = 3.0  # Eq. 1: the smooth border beyond either end of a range


def attention_map(labels, spacing, ranges, border=BORDER_MM, threads=1):
    """Attention of every voxel (Eq. 1 and 2).

    Parameters
    ----------
    labels : integer array (z, y, x), organs and vessels; 0 is background
    spacing : (z, y, x), mm
    ranges : {label: (d_min, d_max)}, mm, negative inside (Table II). Labels that
        are not in `ranges` count as background.
    border : mm over which attention falls to 0 beyond either end
    threads : structures worked on at a time

    Returns
    -------
    float32 array (z, y, x) in [0, 1]. Structures that are absent drop out of the
    maximum (`missing` names them); with none left the map is 1 everywhere.
    """
    boxes = _boxes(labels, ranges)
    found = np.zeros(labels.shape, np.float32)
    if not boxes:
        found[:] = 1
        return found

    def score(label):
        low, high = ranges[label]
        region = _padded(boxes[label], high + border, spacing, labels.shape)
        inside = labels[region] == label
        return region, inside, trapezium(signed_distance(inside, spacing), low, high, border)

    own = []
    with ThreadPoolExecutor(threads) as pool:
        for region, inside, scores in pool.map(score, boxes):
            np.maximum(found[region], scores, out=found[region])
            own.append((region, inside, scores[inside]))
    # Last, since a neighbour's score must not survive inside an organ (Eq. 2).
    for region, inside, scores in own:
        found[region][inside] = scores
    return found


def trapezium(distance, low, high, border=BORDER_MM):
    """Attention of each voxel from its distance to one structure (Eq. 1).

    Parameters
    ----------
    distance : float32 array (z, y, x), mm, negative inside the structure
    low, high : range in mm in which lymph nodes occur (Table II)
    border : mm beyond either end over which attention falls linearly to 0

    Returns
    -------
    float32 array of the same shape, in [0, 1]
    """
    beyond = np.maximum(low - distance, distance - high)  # below 0 within the range
    return np.clip(1 - beyond / border, 0, 1).astype(np.float32, copy=False)


def signed_distance(inside, spacing):
    """Distance in mm to a structure's own border voxels, negative inside.

    The surface is SimpleITK's (SignedMaurerDistanceMap): voxels of the structure
    that have any of their 26 neighbours outside are at 0. One distance transform
    serves both sides, since from outside too the nearest voxel is a border voxel.

    Parameters
    ----------
    inside : bool array (z, y, x) with at least one voxel
    spacing : (z, y, x), mm

    Returns
    -------
    float32 array (z, y, x)
    """
    core = _erode(inside)
    surface = inside & ~core
    if not surface.any():  # the structure fills the whole volume: no surface in sight
        return np.full(inside.shape, -np.inf, np.float32)
    distance = edt.edt(~surface, anisotropy=tuple(spacing), parallel=1)
    return np.where(core, -distance, distance)


def missing(labels, ranges):
    """Labels of `ranges` of which `labels` (z, y, x) holds no voxel, sorted."""
    return sorted(set(ranges) - set(_boxes(labels, ranges)))


def node_distances(labels, nodes, spacing, structures):
    """Nearest structure and signed distance of each lymph-node voxel.

    Parameters
    ----------
    labels : integer array (z, y, x), organs and vessels
    nodes : array (z, y, x), non-zero where a lymph node is
    spacing : (z, y, x), mm
    structures : labels to consider

    Returns
    -------
    nearest : int array (n,), the structure with the smallest signed distance
    distance : float32 array (n,), mm, in the order of `numpy.nonzero(nodes)`
    """
    where = np.nonzero(nodes)
    boxes = _boxes(labels, structures)
    if not boxes or not len(where[0]):
        return np.zeros(0, int), np.zeros(0, np.float32)
    present = sorted(boxes)
    stacked = np.stack([signed_distance(labels == i, spacing)[where] for i in present])
    first = stacked.argmin(axis=0)
    return np.asarray(present)[first], stacked[first, np.arange(stacked.shape[1])]


def estimate_ranges(samples, percentiles=(0, 100)):
    """Ranges like Table II's from the lymph-node voxels of a fold's training patients.

    Parameters
    ----------
    samples : iterable of (nearest, distance) as `node_distances` gives, one a patient
    percentiles : (low, high); (0, 100), minimum and maximum, is the paper's choice

    Returns
    -------
    {label: (d_min, d_max, n_voxels)} of the structures that are nearest to any voxel
    """
    samples = list(samples)
    nearest = np.concatenate([s[0] for s in samples])
    distance = np.concatenate([s[1] for s in samples])
    return {
        int(label): (
            *(float(v) for v in np.percentile(distance[nearest == label], percentiles)),
            int((nearest == label).sum()),
        )
        for label in np.unique(nearest)
    }


def _boxes(labels, wanted):
    """{label: box} of the wanted labels that occur."""
    found = ndimage.find_objects(labels.astype(np.uint8, copy=False))
    return {i: found[i - 1] for i in wanted if i <= len(found) and found[i - 1] is not None}


def _padded(box, reach, spacing, shape):
    """The box, `reach` mm larger on every side, within `shape`."""
    pads = [int(np.ceil(reach / s)) + 1 for s in spacing]
    return tuple(
        slice(max(b.start - p, 0), min(b.stop + p, n))
        for b, p, n in zip(box, pads, shape, strict=True)
    )


def _erode(mask):
    """Voxels whose 26 neighbours are all in `mask`; the volume's edge does not count."""
    for axis in range(mask.ndim):
        view = np.moveaxis(mask, axis, 0)
        eroded = view.copy()
        eroded[1:] &= view[:-1]
        eroded[:-1] &= view[1:]
        mask = np.moveaxis(eroded, 0, axis)
    return mask
