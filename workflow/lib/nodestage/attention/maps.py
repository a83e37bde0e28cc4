"""Attention map: where lymph nodes may lie, from distances to organs and vessels.

Section III-A of the paper: a signed distance to each structure (Fig. 3), a
trapezium that turns it into a score (Eq. 1), and the maximum over structures
except inside one, where only its score counts (Eq. 2).
"""

from collections.abc import Iterable, Mapping

import edt
import numpy as np

Spacing = tuple[float, ...]  # mm, (z, y, x)
Ranges = Mapping[int, tuple[float, float]]  # label: (d_min, d_max), mm

BORDER_MM = 3.0  # Eq. 1: the smooth border beyond either end of a range
# Voxels from which on compiled loops (`attention.distances`) repay the second that it takes to
# load them.
LARGE = 4_000_000


def attention_map(
    labels: np.ndarray,
    spacing: Spacing,
    ranges: Ranges,
    border: float = BORDER_MM,
    threads: int = 1,
) -> np.ndarray:
    """Attention of every voxel (Eq. 1 and 2).

    Parameters
    ----------
    labels : integer array (z, y, x), organs and vessels; 0 is background
    spacing : (z, y, x), mm
    ranges : {label: (d_min, d_max)}, mm, negative inside (Table II). Labels that
        are not in `ranges` count as background.
    border : mm over which attention falls to 0 beyond either end
    threads : slices and columns of a large volume worked on at a time

    Returns
    -------
    float32 array (z, y, x) in [0, 1]. Structures that are absent drop out of the
    maximum (`missing` names them); with none left the map is 1 everywhere.
    """
    labels = np.ascontiguousarray(labels, np.uint8)
    boxes = {label: box for label, box in _boxes(labels).items() if label in ranges}
    if not boxes:
        return np.ones(labels.shape, np.float32)
    if labels.size < LARGE:
        return _by_transform(labels, boxes, ranges, border, spacing)
    from nodestage.attention import distances

    attention = np.zeros(labels.shape, np.float32)
    ranged = np.zeros(256, bool)
    ranged[list(boxes)] = True
    label_map = distances.LabelMap(labels, tuple(spacing), ranged, border)
    for label, box in boxes.items():
        distances.attend(label_map, label, box, ranges[label], attention, threads)
    return attention


def _by_transform(labels, boxes, ranges, border, spacing):
    """The map of a small volume, by a distance transform around each structure."""
    attention = np.zeros(labels.shape, np.float32)
    inside_scores = []
    for label, box in boxes.items():
        low, high = ranges[label]
        region = tuple(
            # One voxel more, so that the structure's border is seen.
            slice(max(b.start - pad, 0), b.stop + pad)
            for b, pad in zip(
                box, (int(max(high + border, 0) / s) + 1 for s in spacing), strict=True
            )
        )
        inside = labels[region] == label
        scores = trapezium(signed_distance(inside, spacing), low, high, border)
        np.maximum(attention[region], scores, out=attention[region])
        inside_scores.append((region, inside, scores[inside]))
    # Last, so that inside an organ no neighbour's score remains (Eq. 2).
    for region, inside, scores in inside_scores:
        attention[region][inside] = scores
    return attention


def trapezium(
    distance: np.ndarray, low: float, high: float, border: float = BORDER_MM
) -> np.ndarray:
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


def signed_distance(inside: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Distance in mm to a structure's border voxels, negative inside.

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
    if not surface.any():  # the structure fills the whole volume: no surface
        return np.full(inside.shape, -np.inf, np.float32)
    distance = edt.edt(~surface, anisotropy=tuple(spacing), parallel=1)
    return np.where(core, -distance, distance)


def missing(labels: np.ndarray, ranges: Iterable[int]) -> list[int]:
    """Labels of `ranges` of which `labels` (z, y, x) holds no voxel, sorted."""
    return sorted(set(ranges) - set(_boxes(labels)))


def node_distances(
    labels: np.ndarray, nodes: np.ndarray, spacing: Spacing, structures: Iterable[int]
) -> tuple[np.ndarray, np.ndarray]:
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
    boxes = _boxes(labels)
    present = sorted(set(structures) & set(boxes))
    if not present or not len(where[0]):
        return np.zeros(0, int), np.zeros(0, np.float32)
    ends = [(i.min(), i.max() + 1) for i in where]
    by_structure = []
    for label in present:
        # One voxel more on every side, so that the structure's border is seen.
        region = tuple(
            slice(max(min(b.start, first) - 1, 0), max(b.stop, last) + 1)
            for b, (first, last) in zip(boxes[label], ends, strict=True)
        )
        index = tuple(i - r.start for i, r in zip(where, region, strict=True))
        by_structure.append(signed_distance(labels[region] == label, spacing)[index])
    stacked = np.stack(by_structure)
    first = stacked.argmin(axis=0)
    return np.asarray(present)[first], stacked[first, np.arange(stacked.shape[1])]


def estimate_ranges(
    samples: Iterable[tuple[np.ndarray, np.ndarray]], percentiles: tuple[float, float] = (0, 100)
) -> dict[int, tuple[float, float, int]]:
    """Ranges like Table II's from the lymph-node voxels of a fold's training patients.

    Parameters
    ----------
    samples : iterable of (nearest, distance) as `node_distances` gives, one per patient
    percentiles : (low, high); (0, 100), minimum and maximum, is the paper's choice

    Returns
    -------
    {label: (d_min, d_max, n_voxels)} of the structures that are nearest to any voxel
    """
    samples = list(samples)
    nearest = np.concatenate([s[0] for s in samples])
    distance = np.concatenate([s[1] for s in samples])
    ranges = {}
    for label in np.unique(nearest):
        low, high = np.percentile(distance[nearest == label], percentiles)
        ranges[int(label)] = (float(low), float(high), int((nearest == label).sum()))
    return ranges


def by_label(
    estimated: Mapping[str, tuple], labels: Mapping[str, int]
) -> dict[int, tuple[float, float]]:
    """{label: (d_min, d_max)} in mm, from a file of `estimate_ranges` and {structure: label}."""
    return {labels[name]: tuple(limits[:2]) for name, limits in estimated.items()}


def _boxes(labels):
    """{label: bounding box} of every label that occurs but 0."""
    labels = np.ascontiguousarray(labels, np.uint8)
    if labels.size >= LARGE:
        from nodestage.attention import distances

        return distances.boxes(labels)
    boxes = {}
    for label in np.nonzero(np.bincount(labels.ravel(), minlength=1)[1:])[0] + 1:
        inside, box = labels == label, []
        for axis in range(3):
            (lines,) = np.nonzero(inside.any(axis=tuple({0, 1, 2} - {axis})))
            box.append(slice(int(lines[0]), int(lines[-1]) + 1))
        boxes[int(label)] = tuple(box)
    return boxes


def _erode(mask):
    """Voxels whose 26 neighbours are all in `mask`; the volume's edge does not count."""
    for axis in range(mask.ndim):
        view = np.moveaxis(mask, axis, 0)
        eroded = view.copy()
        eroded[1:] &= view[:-1]
        eroded[:-1] &= view[1:]
        mask = np.moveaxis(eroded, 0, axis)
    return mask
