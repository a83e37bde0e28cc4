"""The lattice of one level: images brought to its spacing, and fields on its control grid."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nodestage.registration import bands, costs, descriptors
from nodestage.registration.field import Field


@dataclass(frozen=True)
class Lattice:
    """Points `step` mm apart over the fixed grid, and control points over them.

    The image is held `fine` times finer than the points, so that descriptors include what
    is between two displacements.
    """

    shape: tuple[int, ...]  # of the image
    spacing: float  # of the image, mm
    fine: int
    cell: int  # points per control spacing

    @property
    def step(self) -> float:
        """Distance in mm between two points."""
        return self.spacing * self.fine

    @property
    def control_spacing(self) -> float:
        """Distance in mm between two control points."""
        return self.step * self.cell

    @property
    def first(self) -> float:
        """Position in mm of the first control point."""
        return (self.cell - 1) / 2 * self.step

    @property
    def points(self) -> tuple[int, ...]:
        """Number of points along z, y, x."""
        return tuple(-(-n // self.fine) for n in self.shape)

    @property
    def controls(self) -> tuple[int, ...]:
        """Number of control points along z, y, x."""
        return costs.control_shape(self.points, self.cell)

    def control_positions(self) -> np.ndarray:
        """float64 (nodes, 3), mm."""
        axes = [self.first + np.arange(n) * self.control_spacing for n in self.controls]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)

    def field(self, values: np.ndarray, affine: np.ndarray | None = None) -> Field:
        """A field whose B-spline coefficients are `values` (nodes, 3), in mm."""
        grid = np.moveaxis(values.reshape(*self.controls, 3), -1, 0)
        return Field(
            self.shape,
            (self.spacing,) * 3,
            np.eye(3, 4) if affine is None else affine,
            np.ascontiguousarray(grid, np.float32),
            (self.first,) * 3,
            (self.control_spacing,) * 3,
        )

    def codes(self, image: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Descriptors of the image at the points, uint64 (z, y, x)."""
        dense = descriptors.codes(image, valid, step=1)
        return np.ascontiguousarray(dense[:: self.fine, :: self.fine, :: self.fine])

    def tissue(self, image: np.ndarray) -> np.ndarray:
        """The image averaged to the control grid, float32 (z, y, x): what trees compare."""
        return bands.resample(
            image,
            (self.spacing,) * 3,
            self.controls,
            (self.control_spacing,) * 3,
            (self.first,) * 3,
        )


def over(shape: Sequence[int], spacing: Sequence[float], grid: float, step: float) -> Lattice:
    """The lattice for a control spacing and step (mm) over a grid of this shape and spacing."""
    native = float(np.mean(spacing))
    step = max(step, 0.5 * native)  # half a voxel is the finest useful step
    grid = max(grid, 2 * step)
    fine = 2 if step / 2 >= 0.95 * native else 1
    h = step / fine
    size = tuple(
        int(np.floor((n - 1) * s / h + 1e-6)) + 1 for n, s in zip(shape, spacing, strict=True)
    )
    return Lattice(size, h, fine, max(1, round(grid / step)))


def bring(
    lattice: Lattice, image: np.ndarray, valid: np.ndarray | None, spacing: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """An image (float32) and its valid voxels (uint8 or None) on the lattice.

    Both are (z, y, x), `spacing` in the same order, mm; without `valid` everything is.
    """
    to = (lattice.spacing,) * 3
    small = bands.resample(image, spacing, lattice.shape, to)
    if valid is None:
        return small, np.ones(lattice.shape, np.uint8)
    known = bands.resample(valid, spacing, lattice.shape, to)
    return small, (known > 0.99).astype(np.uint8)
