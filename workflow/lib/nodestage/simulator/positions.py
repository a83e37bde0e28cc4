"""Where nodes and confounders lie.

Nodes follow other laws (a structure by its share of the stations, then a distance from its
surface), not the ranges of Table II: the ranges can be learned from a study, not read out of it.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from scipy import ndimage

from nodestage.core.volumes import Vector
from nodestage.simulator import tissue as t
from nodestage.simulator.anatomy import STOMACH, Anatomy
from nodestage.simulator.shapes import Canvas

_STEP_MM = 2.0
FAR_MM = 32.0


class FreeSpace:
    """Where a node may lie, and how far each position is from the ten structures.

    Parameters
    ----------
    canvas : the painted canvas of the venous phase
    labels : uint8 (z, y, x), organ labels, the tumor within its organ
    spacing : (z, y, x), mm
    shares : {structure: share of the lymph nodes along it}
    """

    def __init__(
        self, canvas: Canvas, labels: np.ndarray, spacing: Vector, shares: Mapping[int, float]
    ):
        self._shares = shares
        # Full-size grids are thinned to about 2 mm: positions needn't be finer.
        stride = tuple(max(int(_STEP_MM / step), 1) for step in spacing)
        thin = tuple(slice(None, None, n) for n in stride)
        labels, tissue = labels[thin], canvas.tissue[thin]
        structures = np.isin(labels, list(shares))
        distance, nearest = ndimage.distance_transform_edt(
            ~structures,
            sampling=[n * step for n, step in zip(stride, spacing, strict=True)],
            return_indices=True,
        )
        self._spleen = _depths(
            labels == t.SPLEEN, [line[thin] for line in canvas.anatomical], stride, spacing
        )
        usable = np.isin(tissue, (t.FAT, t.SKIN_FAT, t.MUSCLE, t.LIVER))
        self.tissue = tissue[usable]
        self.distance = distance[usable].astype(np.float32)
        self.nearest = labels[tuple(axis[usable] for axis in nearest)]
        self.points = [line[thin][usable] for line in canvas.anatomical]
        # The rim of the image stays empty: a node cut by it has no volume.
        self._within = np.ones(self.tissue.shape, bool)
        for line in self.points:
            self._within &= (line > line.min() + 8) & (line < line.max() - 8)
        # Distance from each position to the surface of the nearest body so far.
        self._gap = np.full(self.tissue.shape, np.inf, np.float32)
        self._taken: list[tuple[np.ndarray, float]] = []

    def node(
        self,
        random: np.random.Generator,
        radius: float,
        outside: bool,
        structures: Iterable[int] | None = None,
    ) -> np.ndarray:
        """A center for a node of this radius (mm); with `outside`, 26 to 40 mm from everything."""
        names = [s for s in (structures or self._shares) if (self.nearest == s).any()]
        shares = np.array([self._shares[s] for s in names])
        structure = names[int(random.choice(len(names), p=shares / shares.sum()))]
        distance = 0.6 * radius + random.gamma(2.0, 2.3)
        far = random.uniform(26, 40)
        fits = self._within & (self.tissue == t.FAT) & (self._gap > radius + 2)
        if outside:
            miss = np.abs(self.distance - far)
        else:
            miss = np.abs(self.distance - distance)
            fits &= self.nearest == structure
        return self._take(random, np.where(fits, miss, np.inf), radius)

    def far(self, random: np.random.Generator, radius: float) -> np.ndarray | None:
        """A center beyond every plausible distance, in fat, muscle or liver; None if there is none."""
        group = [(t.FAT, t.SKIN_FAT), (t.MUSCLE,), (t.LIVER,)]
        first = int(random.choice(3, p=[0.6, 0.2, 0.2]))
        beyond = self._within & (self.distance > FAR_MM + radius) & (self._gap > radius + 2)
        for codes in [group[first], *group]:
            fits = beyond & np.isin(self.tissue, codes)
            if fits.any():
                return self._take(random, np.where(fits, 0.0, np.inf), radius)
        return None

    def take(self, center: np.ndarray, radius: float) -> None:
        """Mark a ball as taken; later bodies keep 2 mm from it."""
        center = np.asarray(center, float)
        self._taken.append((center, radius))
        away = sum((line - np.float32(c)) ** 2 for line, c in zip(self.points, center, strict=True))
        np.minimum(self._gap, np.sqrt(away) - np.float32(radius), out=self._gap)

    def is_free(self, center: np.ndarray, radius: float) -> bool:
        """Whether a ball keeps 2 mm from all that are taken."""
        return all(
            np.linalg.norm(center - other) > radius + size + 2 for other, size in self._taken
        )

    def in_spleen(self, random: np.random.Generator, depth: float) -> np.ndarray | None:
        """A point this deep (mm) in the spleen, or None where the spleen is too thin or gone."""
        points, depths = self._spleen
        good = np.flatnonzero(depths > depth)
        return points[good[int(random.integers(len(good)))]] if len(good) else None

    def _take(self, random, miss, radius):
        """One of the positions that miss the wish by less than 1.5 mm, or the nearest to it."""
        good = np.flatnonzero(miss < max(1.5, float(miss.min()) + 1e-3))
        if len(good) == 0 or not np.isfinite(miss[good[0]]):
            raise ValueError("the abdomen has no free space left for a node")
        chosen = good[int(random.integers(len(good)))]
        center = np.array([line[chosen] for line in self.points], float)
        self.take(center, radius)
        return center


def _depths(mask, points, stride, spacing):
    """Anatomical points (n, 3) in a mask, and how deep in it each lies, mm."""
    boxes = ndimage.find_objects(mask.astype(np.uint8))
    if not boxes:
        return np.empty((0, 3)), np.empty(0)
    box = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in boxes[0])
    depth = ndimage.distance_transform_edt(
        mask[box], sampling=[n * step for n, step in zip(stride, spacing, strict=True)]
    )
    inside = np.stack([line[box][mask[box]] for line in points], axis=-1).astype(float)
    return inside, depth[mask[box]]


def inside_organ(
    random: np.random.Generator, anatomy: Anatomy, space: FreeSpace, radius: float
) -> tuple[np.ndarray, tuple[int, ...]]:
    """A center deep inside spleen or stomach, and the tissues there."""
    for _ in range(20):
        spleen = space.in_spleen(random, 1.3 * radius + 4) if random.random() < 0.5 else None
        if spleen is not None:
            spot = spleen
            codes: tuple[int, ...] = (t.SPLEEN,)
        else:
            points = np.array([anatomy.points[name] for name in STOMACH[:4]])
            at = random.uniform(0, 1.9)
            spot = points[int(at)] + (points[int(at) + 1] - points[int(at)]) * (at - int(at))
            spot = spot + random.uniform(-3, 3, size=3)
            codes = (t.STOMACH_LUMEN, t.STOMACH_GAS)
        if space.is_free(spot, radius):
            break
    space.take(spot, radius)
    return spot, codes
