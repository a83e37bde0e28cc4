"""Fields as files: a NIfTI of six components on the control grid."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from nodestage.core import files, volumes
from nodestage.core.volumes import Volume
from nodestage.registration.field import Field


def write_field(path: str | Path, field: Field, grid: Volume) -> None:
    """Write a field to `path` (.nii.gz), whole or not at all.

    Each control point, at its position in the patient, holds six float32: the cubic
    B-spline coefficients (mm; z, y, x) of u, and the displacement (mm; z, y, x) that the
    affine alone gives it. The transform of a point p of the grid, in mm from its first
    voxel, is affine(p + u(p)).
    """
    size = [max(2, n) for n in field.coefficients.shape[1:]]
    # NIfTI drops axes of length one at the end; an affine's single zero may as well be more.
    coefficients = np.broadcast_to(field.coefficients, (3, *size))
    points = _points(size, field.first, field.control_spacing)
    affine = points @ field.affine[:, :3].T + field.affine[:, 3] - points
    array = np.concatenate(
        [np.moveaxis(coefficients, 0, -1), affine.reshape(*size, 3).astype(np.float64)], axis=-1
    )
    image = sitk.GetImageFromArray(np.ascontiguousarray(array, np.float32), isVector=True)
    image.SetSpacing([float(p) for p in field.control_spacing[::-1]])
    direction = np.reshape(grid.direction, (3, 3))
    origin = np.array(grid.origin) + direction @ np.array(field.first[::-1], float)
    image.SetOrigin([float(o) for o in origin])
    image.SetDirection([float(d) for d in grid.direction])
    with files.whole(path) as temporary:
        volumes.write_image(temporary, image)


def read_field(path: str | Path, grid: Volume) -> Field:
    """Read a field that `write_field` wrote, for the same study grid (a Volume)."""
    image = volumes.read_image(path)
    array = sitk.GetArrayFromImage(image)
    direction = np.reshape(grid.direction, (3, 3))
    first = (direction.T @ (np.array(image.GetOrigin()) - np.array(grid.origin)))[::-1]
    spacing = image.GetSpacing()[::-1]
    points = _points(array.shape[:3], first, spacing)
    target = points + array[..., 3:].reshape(-1, 3)
    affine, *_ = np.linalg.lstsq(
        np.column_stack([points, np.ones(len(points))]), target, rcond=None
    )
    return Field(
        tuple(grid.array.shape), tuple(grid.spacing), np.ascontiguousarray(affine.T),
        np.ascontiguousarray(np.moveaxis(array[..., :3], -1, 0), np.float32),
        tuple(float(f) for f in first), tuple(float(s) for s in spacing),
    )  # fmt: skip


def _points(size, first, spacing):
    axes = [f + np.arange(n) * p for f, n, p in zip(first, size, spacing, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
