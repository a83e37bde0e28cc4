"""Painting implicit shapes on a grid whose voxels know their position in the anatomy.

A shape is a formula in mm. It is evaluated only inside its box, and on coordinates that are bent
by the patient's variation and by breathing: nothing is ever resampled.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from nodestage.core.volumes import Vector

Box = tuple[slice, ...]


class Canvas:
    """Tissue codes on a grid, with anatomical coordinates for each voxel.

    Parameters
    ----------
    anatomical : three float32 arrays (z, y, x): anatomical coordinate of each voxel, mm, in that order
    axes : three 1-D arrays, the scanner coordinate of the grid's planes, mm, in the same order
    """

    def __init__(self, anatomical: Sequence[np.ndarray], axes: Sequence[np.ndarray]):
        self.anatomical = anatomical
        self.tissue = np.zeros(anatomical[0].shape, np.uint8)
        self._axes = axes
        # How far anatomy lies from the scanner's coordinate, at most: what a box must be padded by.
        self._min_shift, self._max_shift = [], []
        for axis, (where, line) in enumerate(zip(anatomical, axes, strict=True)):
            shift = where - line.reshape([-1 if i == axis else 1 for i in range(3)])
            self._min_shift.append(float(shift.min()))
            self._max_shift.append(float(shift.max()))

    def box(self, low: Vector, high: Vector) -> Box:
        """Slices that hold every voxel whose anatomical coordinate lies between two corners (z, y, x)."""
        slices = []
        for axis in range(3):
            line = self._axes[axis]
            start = np.searchsorted(line, low[axis] - self._max_shift[axis])
            stop = np.searchsorted(line, high[axis] - self._min_shift[axis], side="right")
            slices.append(slice(int(start), int(max(stop, start))))
        return tuple(slices)

    def at(self, box: Box) -> tuple[np.ndarray, ...]:
        """Anatomical coordinates (z, y, x) inside a box."""
        return tuple(where[box] for where in self.anatomical)

    def paint(
        self, box: Box, inside: np.ndarray, code: int, over: Sequence[int] | None = None
    ) -> None:
        """Set the code where `inside` holds; with `over`, only on tissue of these codes."""
        target = self.tissue[box]
        if over is not None:
            inside = inside & np.isin(target, over)
        target[inside] = code

    def ellipsoid(
        self,
        center: Vector,
        axes: Vector,
        code: int,
        turn: np.ndarray | None = None,
        over: Sequence[int] | None = None,
    ) -> None:
        """An ellipsoid: center and semi-axes in mm (z, y, x), `turn` a 3 × 3 rotation."""
        box, inside = self.within_ellipsoid(center, axes, turn)
        self.paint(box, inside, code, over)

    def within_ellipsoid(
        self, center: Vector, axes: Vector, turn: np.ndarray | None = None
    ) -> tuple[Box, np.ndarray]:
        """Box of an ellipsoid, and the voxels of that box that lie inside."""
        box, radius = self.ellipsoid_radius(center, axes, turn)
        return box, radius < 1

    def ellipsoid_radius(
        self,
        center: Vector,
        axes: Vector,
        turn: np.ndarray | None = None,
        margin: float = 0.0,
    ) -> tuple[Box, np.ndarray]:
        """Box, padded by `margin` mm, and the squared relative radius in it (1 on the surface)."""
        center, axes = np.asarray(center, float), np.asarray(axes, float)
        extent = (np.full(3, axes.max()) if turn is not None else axes) + margin
        box = self.box(center - extent, center + extent)
        offset = [
            where - np.float32(middle) for where, middle in zip(self.at(box), center, strict=True)
        ]
        if turn is not None:
            offset = [
                np.float32(row[0]) * offset[0]
                + np.float32(row[1]) * offset[1]
                + np.float32(row[2]) * offset[2]
                for row in turn
            ]
        squares = [
            (part * np.float32(1 / axis)) ** 2 for part, axis in zip(offset, axes, strict=True)
        ]
        return box, squares[0] + squares[1] + squares[2]

    def tube(
        self,
        points: np.ndarray,
        radii: Vector,
        code: int,
        over: Sequence[int] | None = None,
        smooth: int = 2,
    ) -> None:
        """A bent tube through `points` (n, 3) in mm (z, y, x) with `radii` in mm at each.

        The curve between the points is smooth (Catmull-Rom, `smooth` pieces per interval).
        """
        line = curve(np.column_stack([points, radii]), smooth)
        for start, end in pairwise(line):
            box, near, limit = self._segment(start, end)
            self.paint(box, near < limit, code, over)

    def within_tube(self, points: np.ndarray, radii: Vector, smooth: int = 2) -> np.ndarray:
        """Mask over the whole grid of the voxels inside a tube."""
        mask = np.zeros(self.tissue.shape, bool)
        line = curve(np.column_stack([points, radii]), smooth)
        for start, end in pairwise(line):
            box, near, limit = self._segment(start, end)
            mask[box] |= near < limit
        return mask

    def _segment(self, start, end):
        """Box, squared distance to a segment (z, y, x, radius), and squared radius beside it."""
        radius = max(start[3], end[3])
        low = np.minimum(start[:3], end[:3]) - radius
        high = np.maximum(start[:3], end[:3]) + radius
        box = self.box(low, high)
        step = (end[:3] - start[:3]).astype(np.float32)
        z, y, x = (
            where - np.float32(origin)
            for where, origin in zip(self.at(box), start[:3], strict=True)
        )
        length = float(step @ step) or 1.0
        along = np.clip((z * step[0] + y * step[1] + x * step[2]) * np.float32(1 / length), 0, 1)
        near = (z - along * step[0]) ** 2 + (y - along * step[1]) ** 2 + (x - along * step[2]) ** 2
        radius = np.float32(start[3]) + along * np.float32(end[3] - start[3])
        return box, near, radius * radius


def curve(points: np.ndarray, smooth: int) -> np.ndarray:
    """Catmull-Rom curve through the rows of `points` (n, k), `smooth` pieces between two of them."""
    points = np.asarray(points, float)
    padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    a, b, c, d = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    pieces = []
    for t in np.arange(smooth) / smooth:
        pieces.append(
            0.5
            * (
                2 * b
                + (c - a) * t
                + (2 * a - 5 * b + 4 * c - d) * t**2
                + (3 * b - a - 3 * c + d) * t**3
            )
        )
    line = np.stack(pieces, axis=1).reshape(-1, points.shape[1])
    return np.vstack([line, points[-1]])


def rotation(random: np.random.Generator) -> np.ndarray:
    """A random rotation (3 × 3), by a unit quaternion."""
    w, x, y, z = (q := random.normal(size=4)) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
