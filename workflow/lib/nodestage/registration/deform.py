"""From two images to a field: affine first, then level by level (Heinrich et al., TMI 2013)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from nodestage.registration import costs, lattice, trees, workers
from nodestage.registration.field import Field, identity
from nodestage.registration.lattice import Lattice
from nodestage.registration.settings import complete

RANGE = (-1000.0, 1000.0)  # HU; metal beyond it would dominate
Image = tuple[np.ndarray, np.ndarray]  # an image on a lattice, and its valid voxels


@dataclass(frozen=True)
class Pair:
    """Two images of one grid.

    Attributes
    ----------
    fixed, moving : float32 (z, y, x), HU
    spacing : (z, y, x), mm
    valid_fixed, valid_moving : uint8 (z, y, x), 0 where the value is unknown, or None
    """

    fixed: np.ndarray
    moving: np.ndarray
    spacing: tuple[float, ...]
    valid_fixed: np.ndarray | None = None
    valid_moving: np.ndarray | None = None

    def on(self, grid: Lattice) -> tuple[Image, Image]:
        """Both images, fixed and moving, on a lattice."""
        return (
            lattice.bring(grid, self.fixed, self.valid_fixed, self.spacing),
            lattice.bring(grid, self.moving, self.valid_moving, self.spacing),
        )


@dataclass(frozen=True)
class _Level:
    """One level of the search: its lattice, control points (nodes, 3) in mm, and search radius."""

    grid: Lattice
    at: np.ndarray
    radius: int
    settings: dict
    threads: int

    @property
    def weight(self):
        """Cost per mm² of a difference between neighbouring control points."""
        return self.settings["regularisation"] / self.grid.control_spacing**2


def register(
    fixed: np.ndarray,
    moving: np.ndarray,
    spacing: Sequence[float],
    *,
    valid: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
    threads: int = 1,
    **settings,
) -> Field:
    """Register two images of the same grid.

    Parameters
    ----------
    fixed, moving : (z, y, x), HU
    spacing : (z, y, x), mm
    valid : for the fixed and the moving image, bool (z, y, x), False outside the field of view
    threads : threads to use; the result doesn't depend on their number
    settings : any of `settings.FULL`; with `grid_mm`, `step_mm` and `radius` empty the affine alone

    Returns
    -------
    Field from the fixed image to the moving one

    Raises
    ------
    ValueError where the images don't have one shape; InputError for a wrong setting
    """
    chosen = complete(settings)
    shape = tuple(fixed.shape)
    if tuple(moving.shape) != shape:
        raise ValueError(f"fixed {shape} and moving {moving.shape} need one grid")
    pair = Pair(
        np.clip(fixed, *RANGE, dtype=np.float32),
        np.clip(moving, *RANGE, dtype=np.float32),
        tuple(float(s) for s in spacing),
        *map(_mask, valid),
    )
    affine = fit_affine(pair, chosen, threads)
    flat = np.zeros((3, 1, 1, 1), np.float32)
    start = Field(shape, pair.spacing, affine, flat, (0.0,) * 3, pair.spacing)
    warped, known = start.warp_known(pair.moving, -1000, valid=pair.valid_moving)
    aligned = replace(pair, moving=warped, valid_moving=known)

    u = None
    for grid_mm, step, radius in zip(
        chosen["grid_mm"], chosen["step_mm"], chosen["radius"], strict=True
    ):
        grid = lattice.over(shape, pair.spacing, grid_mm, step)
        level = _Level(grid, grid.control_positions(), radius, chosen, threads)
        u = _solve(level, *aligned.on(grid), u)
    field = start if u is None else _without_folds(start, u[0])
    return replace(field, quality=measure(pair, start, field))


def _mask(valid):
    """uint8, or None where everything is valid."""
    if valid is None or np.all(valid):
        return None
    return np.ascontiguousarray(valid, np.uint8)


def _solve(level, fixed, moving, before):
    """Both directions of one level, made consistent: two fields on the level's control grid."""
    if before is None:
        still = level.grid.field(np.zeros((len(level.at), 3), np.float32))
        before = (still, still)
    forward, backward = workers.both(
        lambda: _search(level, fixed, moving, before[0]),
        lambda: _search(level, moving, fixed, before[1]),
        level.threads,
    )
    return _consistent(level.grid, level.at, forward, backward)


def _search(level, fixed, moving, before):
    """New displacements (nodes, 3) in mm of the control points, from one image to the other."""
    grid = level.grid
    start = before.bend(level.at).astype(np.float32)
    image, valid = _warped(grid, moving, before)
    cost = costs.data_term(
        grid.codes(*fixed),
        grid.codes(image, valid),
        grid.cell,
        level.radius,
        max(1, level.threads // 2),
    )
    tissue = grid.tissue(fixed[0])
    spanning = [
        trees.spanning_tree(tissue, seed=number or None)
        for number in range(level.settings["trees"])
    ]
    return start + trees.best(cost, spanning, start, grid.step, level.weight)


def _warped(grid, moving, field):
    """The moving image of a lattice through a field's spline, and its valid voxels."""
    return _onto(grid, replace(field, affine=np.eye(3, 4)), moving)


def _onto(grid, field, moving):
    """The moving image of a lattice through a field, on the lattice, and its valid voxels."""
    onto = replace(field, shape=grid.shape, spacing=(grid.spacing,) * 3)
    return onto.warp_known(moving[0], -1000, valid=moving[1])


def _consistent(grid, at, forward, backward, iterations=10):
    """Fields that are each other's inverse, halfway between the two searched."""
    one, two = grid.field(forward), grid.field(backward)
    for _ in range(iterations):
        u, v = one.bend(at), two.bend(at)
        new_u = 0.5 * (u - two.bend(at + u))
        new_v = 0.5 * (v - one.bend(at + v))
        one, two = grid.field(new_u), grid.field(new_v)
    return one, two


def _without_folds(start, spline, minimum=0.05, rounds=30):
    """The affine `start` with a spline, its coefficients smoothed where the field would fold."""
    coefficients = spline.coefficients.copy()
    affine, spacing = start.affine, start.spacing
    every = max(1, round(min(spline.control_spacing) / 3 / max(spacing)))
    for _ in range(rounds):
        field = replace(
            spline, shape=start.shape, spacing=spacing, affine=affine, coefficients=coefficients
        )
        bad = np.argwhere(field.jacobian(every) < minimum * np.linalg.det(affine[:, :3]))
        if not len(bad):
            break
        where = np.zeros(coefficients.shape[1:], np.float32)
        index = np.rint(
            (bad * every * np.array(spacing) - spline.first) / np.array(spline.control_spacing)
        )
        index = np.clip(index.astype(int), 0, np.array(where.shape) - 1)
        where[tuple(index.T)] = 1
        near = np.minimum(1, 4 * ndimage.gaussian_filter(ndimage.maximum_filter(where, 3), 1.0))
        smoothed = np.stack([ndimage.gaussian_filter(c, 1.0, mode="nearest") for c in coefficients])
        coefficients = (coefficients + near * (smoothed - coefficients)).astype(np.float32)
    return replace(
        spline, shape=start.shape, spacing=spacing, affine=affine, coefficients=coefficients
    )


def fit_affine(pair: Pair, settings: dict, threads: int = 1) -> np.ndarray:
    """Affine (3, 4) from robust least squares over the displacements of blocks.

    The blocks are matched on descriptors as in the levels that follow, and regularized
    by one spanning tree, which flat regions need; each is weighted by the sharpness of its
    best match.

    Parameters
    ----------
    pair : both images
    settings : see `settings.FULL`
    threads : threads to use

    Returns
    -------
    float64 (3, 4), mm to mm, rows and columns in the order z, y, x, as in `Field`
    """
    affine = np.eye(3, 4)
    still = np.zeros((3, 1, 1, 1), np.float32)
    for grid_mm, step, radius in zip(
        settings["affine_grid_mm"],
        settings["affine_step_mm"],
        settings["affine_radius"],
        strict=True,
    ):
        grid = lattice.over(pair.fixed.shape, pair.spacing, grid_mm, step)
        level = _Level(grid, grid.control_positions(), radius, settings, threads)
        fixed, moving = pair.on(grid)
        codes = grid.codes(*fixed)
        onto = Field(grid.shape, (grid.spacing,) * 3, affine, still, (0.0,) * 3, (1.0,) * 3)
        image, valid = _onto(grid, onto, moving)
        cost = costs.data_term(codes, grid.codes(image, valid), grid.cell, radius, threads)
        tree = trees.spanning_tree(grid.tissue(fixed[0]))
        none = np.zeros((len(level.at), 3), np.float32)
        shift = trees.best(cost, [tree], none, grid.step, level.weight)
        trust = cost.mean(axis=1) - cost.min(axis=1)
        if not (trust > 0).any():  # no common tissue, or no structure in it
            break
        target = (level.at + shift) @ affine[:, :3].T + affine[:, 3]
        affine = _robust(level.at, target, trust)
    return affine


def _robust(at, target, trust, rounds=20):
    """Affine by iteratively reweighted least squares with Cauchy's weights."""
    center = at.mean(axis=0)
    design = np.column_stack([at - center, np.ones(len(at))])
    weight = np.maximum(trust, 0).astype(float)
    weight[weight < 0.2 * weight.max()] *= 0.1
    solution = np.vstack([np.eye(3), center])
    for _ in range(rounds):
        left = target - design @ solution
        size = np.sqrt((left**2).sum(axis=1))
        scale = max(0.5, 1.5 * float(np.median(size)))
        w = weight / (1 + (size / scale) ** 2)
        # A weak prior for the identity, where blocks are too few to determine twelve numbers.
        ridge = 1e-3 * np.diag(np.r_[(design[:, :3] ** 2 * w[:, None]).sum(axis=0), 0])
        normal = design.T @ (design * w[:, None]) + ridge + 1e-9 * np.eye(4)
        solution = np.linalg.solve(
            normal, design.T @ (target * w[:, None]) + ridge @ np.vstack([np.eye(3), np.zeros(3)])
        )
    linear = solution[:3].T
    return np.column_stack([linear, solution[3] - linear @ center])


def measure(pair: Pair, start: Field, field: Field) -> dict[str, float]:
    """Similarity of the structures, 1 - mean Hamming distance / 60, before and after.

    Returns
    -------
    dict : `before`, `affine` (through `start`), `after` (through `field`); `chance`, that of tissue
        24 mm apart, by which two images agree without registration; `overlap`,
        the share of the fixed grid that both show
    """
    step = max(2.5, 1.2 * max(pair.spacing))
    grid = lattice.over(pair.fixed.shape, pair.spacing, step, step)
    fixed, moving = pair.on(grid)
    codes = grid.codes(*fixed)
    quality = {}
    for name, f in (
        ("before", identity(grid.shape, (grid.spacing,) * 3)),
        ("affine", start),
        ("after", field),
    ):
        image, valid = _onto(grid, f, moving)
        other = grid.codes(image, valid)
        quality[name] = 1 - costs.mean_distance(codes, other, structured=True) / 60
    known = ~(codes >> np.uint64(63)).astype(bool)
    quality["overlap"] = float(np.mean(valid[:: grid.fine, :: grid.fine, :: grid.fine] & known))
    away = max(1, round(24 / grid.step))
    chances = []
    for axis in range(3):
        if codes.shape[axis] > 2 * away:
            a = np.ascontiguousarray(np.moveaxis(codes, axis, 0)[away:])
            b = np.ascontiguousarray(np.moveaxis(other, axis, 0)[:-away])
            chances.append(1 - costs.mean_distance(a, b, structured=True) / 60)
    quality["chance"] = float(np.mean(chances)) if chances else 0.0
    return {key: float(np.nan_to_num(value)) for key, value in quality.items()}
