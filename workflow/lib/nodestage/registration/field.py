"""A displacement field, kept as an affine and a grid of B-spline coefficients."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from nodestage.core.volumes import Vector
from nodestage.registration import bands, sampling

SLAB = 16  # slices evaluated at a time: a whole dense field of a full-size CT is 0.9 GB


@dataclass(frozen=True)
class Field:
    """The position of each point of the fixed image in the moving one.

    A point p of the fixed grid, in mm from its first voxel's center, goes to
    affine(p + u(p)), in mm from the same point; u is a uniform cubic B-spline.

    Attributes
    ----------
    shape, spacing : of the fixed grid, (z, y, x), mm
    affine : float64 (3, 4), mm to mm, rows and columns in the order z, y, x
    coefficients : float32 (3, z, y, x), mm, of u
    first, control_spacing : mm of the first control point and between them, (z, y, x)
    quality : similarities, `before`, `affine`, `after`, `chance`, and other facts
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    affine: np.ndarray
    coefficients: np.ndarray
    first: tuple[float, ...]
    control_spacing: tuple[float, ...]
    quality: dict = field(default_factory=dict)

    def shifts(self, step: int = SLAB) -> Iterator[tuple[int, int, np.ndarray]]:
        """u in slabs: (first slice, last slice, float32 (3, slices, y, x) in mm)."""
        grid = self.coefficients.shape[1:]
        rules = [
            bands.spline(
                grid[a],
                self.control_spacing[a],
                self.first[a],
                np.arange(self.shape[a]) * self.spacing[a],
            )
            for a in range(3)
        ]
        still = not self.coefficients.any()
        for low in range(0, self.shape[0], step):
            high = min(low + step, self.shape[0])
            if still:
                yield low, high, np.zeros((3, high - low, *self.shape[1:]), np.float32)
                continue
            out = bands.along(self.coefficients, 1, rules[0][0][low:high], rules[0][1][low:high])
            out = bands.along(out, 2, *rules[1])
            yield low, high, bands.along(out, 3, *rules[2])

    @property
    def displacement(self) -> np.ndarray:
        """float32 (z, y, x, 3): what to add to a fixed point (mm; components z, y, x)."""
        out = np.empty((*self.shape, 3), np.float32)
        linear, offset = self.affine[:, :3], self.affine[:, 3]
        axes = [np.arange(n) * s for n, s in zip(self.shape, self.spacing, strict=True)]
        change = linear - np.eye(3)
        for low, high, u in self.shifts():
            for c in range(3):
                rigid = (
                    offset[c]
                    + change[c, 0] * axes[0][low:high, None, None]
                    + change[c, 1] * axes[1][None, :, None]
                    + change[c, 2] * axes[2][None, None, :]
                )
                for k in range(3):
                    rigid = rigid + linear[c, k] * u[k]
                out[low:high, :, :, c] = rigid
        return out

    def move(self, points: np.ndarray) -> np.ndarray:
        """Fixed points (n, 3) in mm, (z, y, x), to their positions in the moving image."""
        return (points + self.bend(points)) @ self.affine[:, :3].T + self.affine[:, 3]

    def warp(
        self,
        image: np.ndarray,
        fill: float = -1024,
        spacing: Vector | None = None,
        origin: Vector = (0.0, 0.0, 0.0),
    ) -> np.ndarray:
        """The moving image on the fixed grid, linear; `fill` where it has no value.

        `spacing` and `origin` (z, y, x; mm) are where the image's voxels lie if not on
        the fixed grid. Integer images stay integer.
        """
        out, _ = self.warp_known(image, fill, spacing, origin)
        if np.issubdtype(np.asarray(image).dtype, np.integer):
            return np.rint(out).astype(np.asarray(image).dtype)
        return out

    def warp_known(
        self,
        image: np.ndarray,
        fill: float = -1024,
        spacing: Vector | None = None,
        origin: Vector = (0.0, 0.0, 0.0),
        valid: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `warp`, float32, and a uint8 array that is 1 where the moving image has a value."""
        source = sampling.Source(
            np.ascontiguousarray(image, np.float32),
            np.array(origin, float),
            np.array(spacing or self.spacing, float),
            sampling.ALL_VALID if valid is None else np.ascontiguousarray(valid, np.uint8),
        )
        out = np.empty(self.shape, np.float32)
        known = np.empty(self.shape, np.uint8)
        for low, high, u in self.shifts():
            slab = sampling.Slab(u, low, np.array(self.spacing, float), self.affine)
            sampling.image(source, slab, np.float32(fill), out[low:high], known[low:high])
        return out, known

    def warp_labels(
        self,
        mask: np.ndarray,
        spacing: Vector | None = None,
        origin: Vector = (0.0, 0.0, 0.0),
    ) -> np.ndarray:
        """A moving label map on the fixed grid: label by label linear, then the largest."""
        mask = np.asarray(mask)
        spacing = spacing or self.spacing
        source = sampling.Source(
            np.ascontiguousarray(mask, np.uint16), np.array(origin, float), np.array(spacing, float)
        )
        split = _split(self.spacing, spacing)
        out = np.empty(self.shape, np.uint16)
        share = np.empty((0, 0, 0), np.float32)
        for low, high, u in self.shifts():
            slab = sampling.Slab(u, low, np.array(self.spacing, float), self.affine)
            sampling.labels(source, slab, split, -1, out[low:high], share)
        return out.astype(mask.dtype)

    def label_share(
        self,
        mask: np.ndarray,
        label: int,
        spacing: Vector,
        origin: Vector,
        region: tuple[slice, slice, slice],
    ) -> np.ndarray:
        """How much of each fixed voxel in `region` (three slices) one label of a mask fills.

        float32 (z, y, x) of the region's shape, 0 to 1.
        """
        source = sampling.Source(
            np.ascontiguousarray(mask, np.uint16), np.array(origin, float), np.array(spacing, float)
        )
        axes = [np.arange(r.start, r.stop) * s for r, s in zip(region, self.spacing, strict=True)]
        size = tuple(len(a) for a in axes)
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        u = np.moveaxis(self.bend(points).reshape(*size, 3), -1, 0)
        # The loop counts from the region's corner.
        affine = self.affine.copy()
        affine[:, 3] += affine[:, :3] @ np.array([a[0] for a in axes])
        slab = sampling.Slab(
            np.ascontiguousarray(u, np.float32), 0, np.array(self.spacing, float), affine
        )
        share = np.empty(size, np.float32)
        no_labels = np.empty((0, 0, 0), np.uint16)
        sampling.labels(source, slab, _split(self.spacing, spacing), label, no_labels, share)
        return share

    def jacobian(self, every: int = 1) -> np.ndarray:
        """Determinant of the transform at every voxel, float32 (z, y, x); at or below 0 it folds.

        From the exact derivatives of the spline. `every` takes each n-th voxel only.
        """
        axes = [np.arange(0, n, every) * s for n, s in zip(self.shape, self.spacing, strict=True)]
        scale = np.float32(np.linalg.det(self.affine[:, :3]))
        out = np.full([len(a) for a in axes], scale, np.float32)
        if not self.coefficients.any():
            return out
        grid = self.coefficients.shape[1:]
        value, slope = (
            [
                bands.spline(grid[a], self.control_spacing[a], self.first[a], axes[a], derivative)
                for a in range(3)
            ]
            for derivative in (False, True)
        )
        for low in range(0, len(axes[0]), SLAB):
            rows = slice(low, low + SLAB)
            column = []
            for along in range(3):  # du/dz, du/dy, du/dx, each (3, slices, y, x)
                rule = [slope[a] if a == along else value[a] for a in range(3)]
                d = bands.along(self.coefficients, 1, rule[0][0][rows], rule[0][1][rows])
                d = bands.along(bands.along(d, 2, *rule[1]), 3, *rule[2])
                d[along] += 1
                column.append(d)
            z, y, x = column
            out[rows] *= (
                z[0] * (y[1] * x[2] - y[2] * x[1])
                - y[0] * (z[1] * x[2] - z[2] * x[1])
                + x[0] * (z[1] * y[2] - z[2] * y[1])
            )
        return out

    def folded(self) -> float:
        """Share of voxels where the transform folds (its determinant is 0 or below)."""
        return float(np.mean(self.jacobian() <= 0))

    def inverse(self, iterations: int = 20) -> "Field":
        """The position of each point of the moving grid in the fixed image (same grid)."""
        back = np.linalg.inv(np.vstack([self.affine, [0, 0, 0, 1]]))[:3]
        # Half the control spacing: the inverse of a spline is not a spline on the same grid.
        spacing = [s / 2 for s in self.control_spacing]
        margin = 4
        size = [
            int(np.ceil((n - 1) * s / p)) + 1 + 2 * margin
            for n, s, p in zip(self.shape, self.spacing, spacing, strict=True)
        ]
        first = [-margin * s for s in spacing]
        axes = [f + np.arange(n) * p for f, n, p in zip(first, size, spacing, strict=True)]
        at = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        # p + u(p) = back(q), by fixed point: p = back(q) - u(p).
        target = at @ back[:, :3].T + back[:, 3]
        origin = target.copy()
        for _ in range(iterations):
            origin = target - self.bend(origin)
        # origin = back(q + w), so that the inverse has this class's form.
        w = (origin - back[:, 3]) @ self.affine[:, :3].T - at
        w = np.moveaxis(w.reshape(*size, 3), -1, 0)
        coefficients = np.stack([ndimage.spline_filter(c, order=3, mode="mirror") for c in w])
        return Field(
            self.shape, self.spacing, back, coefficients.astype(np.float32), tuple(first),
            tuple(spacing), self.quality,
        )  # fmt: skip

    def bend(self, points: np.ndarray) -> np.ndarray:
        """u at points (n, 3) in mm, (z, y, x): the field without its affine."""
        points = np.ascontiguousarray(points, np.float64)
        out = np.empty(points.shape, np.float64)
        sampling.points(
            self.coefficients, np.array(self.first), np.array(self.control_spacing), points, out
        )
        return out


def _split(spacing, finer):
    """Into how many points along each axis a voxel is split to see all of a finer mask."""
    return np.array([min(4, max(1, round(s / f))) for s, f in zip(spacing, finer, strict=True)])


def identity(shape: Sequence[int], spacing: Vector) -> Field:
    """The field without displacement, on a grid of this shape and spacing (z, y, x; mm)."""
    flat = np.zeros((3, 1, 1, 1), np.float32)
    return Field(tuple(shape), tuple(spacing), np.eye(3, 4), flat, (0.0,) * 3, tuple(spacing))
