"""From two images to a field: affine first, then level by level (Heinrich et al., TMI 2013)."""

import numpy as np
from scipy import ndimage

from nodestage.registration import costs, lattice, trees, workers
from nodestage.registration.field import Field, identity
from nodestage.registration.settings import complete

RANGE = (-1000.0, 1000.0)  # HU; metal beyond it would outweigh all else


def register(
    fixed,
    moving,
    spacing,
    *,
    valid_fixed=None,
    valid_moving=None,
    threads=1,
    levels=None,
    **settings,
):
    """Register two images of the same grid.

    Parameters
    ----------
    fixed, moving : (z, y, x), HU
    spacing : (z, y, x), mm
    valid_fixed, valid_moving : bool (z, y, x), False where an image holds nothing real
    threads : threads to use; the result doesn't depend on their number
    levels : use only so many of the settings' levels (0 is affine alone)
    settings : any of `settings.FULL`

    Returns
    -------
    Field from the fixed image to the moving one
    """
    chosen = complete(settings)
    shape = tuple(fixed.shape)
    if tuple(moving.shape) != shape:
        raise ValueError(f"fixed {shape} and moving {moving.shape} need one grid")
    spacing = tuple(float(s) for s in spacing)
    fixed = np.clip(fixed, *RANGE, dtype=np.float32)
    moving = np.clip(moving, *RANGE, dtype=np.float32)
    valid_fixed = _mask(valid_fixed)
    valid_moving = _mask(valid_moving)

    affine = fit_affine(fixed, moving, spacing, valid_fixed, valid_moving, chosen, threads)
    start = Field(shape, spacing, affine, np.zeros((3, 1, 1, 1), np.float32), (0.0,) * 3, spacing)
    laid, known = start.warp_known(moving, -1000, valid=valid_moving)

    count = len(chosen["grid_mm"]) if levels is None else levels
    field, u = start, None
    for level in range(count):
        grid = lattice.over(shape, spacing, chosen["grid_mm"][level], chosen["step_mm"][level])
        one, two = (
            lattice.bring(grid, fixed, valid_fixed, spacing),
            lattice.bring(grid, laid, known, spacing),
        )
        u = _level(grid, one, two, u, chosen["radius"][level], chosen, threads)
    if u is not None:
        field = _without_folds(shape, spacing, affine, u[0])
    quality = _quality(fixed, moving, spacing, valid_fixed, valid_moving, start, field)
    return Field(shape, spacing, affine, field.coefficients, field.first, field.pace, quality)


def _mask(valid):
    """uint8, or None where everything is valid."""
    if valid is None or np.all(valid):
        return None
    return np.ascontiguousarray(valid, np.uint8)


def _level(grid, fixed, moving, before, radius, chosen, threads):
    """Both directions of one level, made consistent: two fields on the level's control grid."""
    at = grid.control_positions()
    if before is None:
        still = grid.field(np.zeros((len(at), 3), np.float32))
        before = (still, still)
    forward, backward = workers.both(
        lambda: _search(grid, at, fixed, moving, before[0], radius, chosen, threads),
        lambda: _search(grid, at, moving, fixed, before[1], radius, chosen, threads),
        threads,
    )
    return _consistent(grid, at, forward, backward)


def _search(grid, at, fixed, moving, before, radius, chosen, threads):
    """New displacements (nodes, 3) in mm of the control points, from one image to the other."""
    start = before.bend(at).astype(np.float32)
    image, valid = _warped(grid, moving, before)
    cost = costs.data_term(
        grid.codes(*fixed), grid.codes(image, valid), grid.cell, radius, max(1, threads // 2)
    )
    weight = chosen["regularisation"] / grid.pace**2
    tissue = grid.tissue(fixed[0])
    total = np.zeros_like(start)
    for tree in range(chosen["trees"]):
        order, parent = trees.spanning_tree(tissue, seed=tree or None)
        total += trees.best(cost, order, parent, start, grid.step, weight)
    return start + total / chosen["trees"]


def _warped(grid, moving, before):
    """The moving image through the field so far, with what is known of it."""
    onto = Field(
        grid.shape,
        (grid.spacing,) * 3,
        np.eye(3, 4),
        before.coefficients,
        before.first,
        before.pace,
    )
    return onto.warp_known(moving[0], -1000, valid=moving[1])


def _consistent(grid, at, forward, backward, iterations=10):
    """Fields that are each other's inverse, halfway between the two found."""
    one, two = grid.field(forward), grid.field(backward)
    for _ in range(iterations):
        u, v = one.bend(at), two.bend(at)
        new_u = 0.5 * (u - two.bend(at + u))
        new_v = 0.5 * (v - one.bend(at + v))
        one, two = grid.field(new_u), grid.field(new_v)
    return one, two


def _without_folds(shape, spacing, affine, found, least=0.05, rounds=30):
    """Smooth the coefficients around each place where the field would fold."""
    coefficients = found.coefficients.copy()
    every = max(1, round(min(found.pace) / 3 / max(spacing)))
    for _ in range(rounds):
        field = Field(shape, spacing, affine, coefficients, found.first, found.pace)
        bad = np.argwhere(field.jacobian(every) < least * np.linalg.det(affine[:, :3]))
        if not len(bad):
            break
        where = np.zeros(coefficients.shape[1:], np.float32)
        place = np.rint((bad * every * np.array(spacing) - found.first) / np.array(found.pace))
        place = np.clip(place.astype(int), 0, np.array(where.shape) - 1)
        where[tuple(place.T)] = 1
        near = np.minimum(1, 4 * ndimage.gaussian_filter(ndimage.maximum_filter(where, 3), 1.0))
        calm = np.stack([ndimage.gaussian_filter(c, 1.0, mode="nearest") for c in coefficients])
        coefficients = (coefficients + near * (calm - coefficients)).astype(np.float32)
    return Field(shape, spacing, affine, coefficients, found.first, found.pace)


def fit_affine(fixed, moving, spacing, valid_fixed, valid_moving, chosen, threads=1):
    """Affine (3, 4) from robust least squares over the displacements of blocks.

    The blocks are matched on descriptors as in the levels that follow, and held
    together by one spanning tree, which flat regions need; each counts by how sharp its
    best match is.

    Parameters
    ----------
    fixed, moving : float32 (z, y, x), HU, on one grid
    spacing : (z, y, x), mm
    valid_fixed, valid_moving : uint8 (z, y, x), 0 where nothing is known, or None
    chosen : dict, see `settings.FULL`

    Returns
    -------
    float64 (3, 4), mm to mm, rows and columns in the order z, y, x, as in `Field`
    """
    affine = np.eye(3, 4)
    shape = fixed.shape
    still = np.zeros((3, 1, 1, 1), np.float32)
    for grid_mm, step, radius in zip(
        chosen["affine_grid_mm"], chosen["affine_step_mm"], chosen["affine_radius"], strict=True
    ):
        grid = lattice.over(shape, spacing, grid_mm, step)
        one = lattice.bring(grid, fixed, valid_fixed, spacing)
        two = lattice.bring(grid, moving, valid_moving, spacing)
        at = grid.control_positions()
        seen = grid.codes(*one)
        onto = Field(grid.shape, (grid.spacing,) * 3, affine, still, (0.0,) * 3, (1.0,) * 3)
        image, valid = onto.warp_known(two[0], -1000, valid=two[1])
        cost = costs.data_term(seen, grid.codes(image, valid), grid.cell, radius, threads)
        order, parent = trees.spanning_tree(grid.tissue(one[0]))
        none = np.zeros((len(at), 3), np.float32)
        weight = chosen["regularisation"] / grid.pace**2
        d = trees.best(cost, order, parent, none, grid.step, weight)
        trust = cost.mean(axis=1) - cost.min(axis=1)
        if not (trust > 0).any():  # nothing seen in both, or nothing to see
            break
        target = (at + d) @ affine[:, :3].T + affine[:, 3]
        affine = _robust(at, target, trust)
    return affine


def _robust(at, target, trust, rounds=20):
    """Affine by iteratively reweighted least squares with Cauchy's weights."""
    center = at.mean(axis=0)
    design = np.column_stack([at - center, np.ones(len(at))])
    weight = np.maximum(trust, 0).astype(float)
    weight[weight < 0.2 * weight.max()] *= 0.1
    found = np.vstack([np.eye(3), center])
    for _ in range(rounds):
        left = target - design @ found
        size = np.sqrt((left**2).sum(axis=1))
        scale = max(0.5, 1.5 * float(np.median(size)))
        w = weight / (1 + (size / scale) ** 2)
        # A little of the identity's shape, for blocks too few to tell twelve numbers.
        ridge = 1e-3 * np.diag(np.r_[(design[:, :3] ** 2 * w[:, None]).sum(axis=0), 0])
        normal = design.T @ (design * w[:, None]) + ridge + 1e-9 * np.eye(4)
        found = np.linalg.solve(
            normal, design.T @ (target * w[:, None]) + ridge @ np.vstack([np.eye(3), np.zeros(3)])
        )
    linear = found[:3].T
    return np.column_stack([linear, found[3] - linear @ center])


def _quality(fixed, moving, spacing, valid_fixed, valid_moving, start, field):
    """Similarity of the structures, 1 - mean Hamming distance / 60, before and after.

    `chance` is that of tissue 24 mm apart: what two images have in common without being
    registered at all.
    """
    step = max(2.5, 1.2 * max(spacing))
    grid = lattice.over(fixed.shape, spacing, step, step)
    one, two = (
        lattice.bring(grid, fixed, valid_fixed, spacing),
        lattice.bring(grid, moving, valid_moving, spacing),
    )
    seen = grid.codes(*one)
    facts = {}
    for name, f in (
        ("before", identity(grid.shape, (grid.spacing,) * 3)),
        ("affine", start),
        ("after", field),
    ):
        onto = Field(grid.shape, (grid.spacing,) * 3, f.affine, f.coefficients, f.first, f.pace)
        image, valid = onto.warp_known(two[0], -1000, valid=two[1])
        other = grid.codes(image, valid)
        facts[name] = 1 - costs.mean_distance(seen, other, telling=True) / 60
    facts["overlap"] = float(
        np.mean(
            valid[:: grid.fine, :: grid.fine, :: grid.fine] & ~(seen >> np.uint64(63)).astype(bool)
        )
    )
    away = max(1, round(24 / grid.step))
    chances = []
    for axis in range(3):
        if seen.shape[axis] > 2 * away:
            a = np.ascontiguousarray(np.moveaxis(seen, axis, 0)[away:])
            b = np.ascontiguousarray(np.moveaxis(other, axis, 0)[:-away])
            chances.append(1 - costs.mean_distance(a, b, telling=True) / 60)
    facts["chance"] = float(np.mean(chances)) if chances else 0.0
    return {key: float(np.nan_to_num(value)) for key, value in facts.items()}
