"""What bends space: the patient's variation, and breathing and bowel between the phases.

Three coordinate systems, all in mm as (z, y, x) around the middle of the body:
- v, the patient on the table in the venous phase;
- a = v + u(v), where the same point lies in the arterial phase (u is the true field);
- q = v + w(v), the anatomy's coordinates, in which shapes are formulas.

All terms are products of three functions of one coordinate each, so a regular grid costs three
short vectors and one product.
"""

from collections.abc import Sequence

import numpy as np

COARSE_MM = 5.0


class Warp:
    """A smooth displacement: a sum of separable terms (amplitude (3,), three 1-D functions)."""

    def __init__(self, terms: Sequence[tuple]):
        self.terms = terms

    def __call__(self, z: np.ndarray, y: np.ndarray, x: np.ndarray) -> list[np.ndarray]:
        """Displacement (dz, dy, dx) in mm at coordinates that broadcast together; three arrays."""
        shape = np.broadcast_shapes(z.shape, y.shape, x.shape)
        total = [np.zeros(shape, np.float32) for _ in range(3)]
        for amplitude, (along_z, along_y, along_x) in self.terms:
            product = along_z(z) * along_y(y) * along_x(x)
            for axis in range(3):
                if amplitude[axis]:
                    total[axis] += np.float32(amplitude[axis]) * product
        return total


def variation(random: np.random.Generator, scale: float) -> Warp:
    """w: bends of 2 to 3 mm, so that no organ is a perfect ellipsoid or tube."""
    terms = []
    for length in (110.0, 75.0, 48.0):
        for _ in range(2):
            waves = [_wave(length * scale * random.uniform(0.8, 1.25), random) for _ in range(3)]
            terms.append((random.normal(size=3) * length * 0.021, waves))
    return Warp(terms)


def between_phases(random: np.random.Generator, settings: dict) -> Warp:
    """u: breathing (along z, most in front and near the diaphragm), bowel, and a shift on the table."""
    scale = settings["scale"]
    low, high = settings["breathing_mm"]
    depth = random.uniform(low, high) * (1 if random.random() < 0.5 else -1)
    upwards = _slope(random.uniform(-25, 0) * scale, 28 * scale)
    front = _slope(25 * scale, -13 * scale)  # the spine, at y > 40, stays
    still = np.array([random.normal(), random.normal(), random.normal()]) * 1.5
    terms = [
        (np.array([depth, -0.2 * depth, 0.0]), (upwards, front, _constant)),
        (np.array([0.25 * depth, 0.0, 0.0]), (_constant, front, _constant)),
        (still, (_constant, _constant, _constant)),
    ]
    for _ in range(5):
        middle = (
            np.array([random.uniform(-70, 30), random.uniform(-65, 5), random.uniform(-70, 80)])
            * scale
        )
        width = random.uniform(22, 32) * scale
        # The gradient stays far below 1, so that nothing folds.
        size = settings["bowel_mm"] * random.uniform(0.4, 1.0)
        direction = random.normal(size=3)
        terms.append(
            (
                direction / np.linalg.norm(direction) * size,
                tuple(_bump(m, width) for m in middle),
            )
        )
    return Warp(terms)


def inverse(
    warp: Warp, z: np.ndarray, y: np.ndarray, x: np.ndarray, steps: int = 10
) -> list[np.ndarray]:
    """Points p with p + warp(p) = (z, y, x), by fixed-point iteration."""
    point = [np.broadcast_to(c, np.broadcast_shapes(z.shape, y.shape, x.shape)) for c in (z, y, x)]
    target = point
    for _ in range(steps):
        point = [t - d for t, d in zip(target, warp(*point), strict=True)]
    return point


def anatomy_from_venous(w: Warp, axes: Sequence[np.ndarray]) -> list[np.ndarray]:
    """q on a regular venous grid: three float32 arrays (z, y, x)."""
    z, y, x = _open(axes)
    shifts = w(z, y, x)
    return [shift + line for shift, line in zip(shifts, (z, y, x), strict=True)]


def anatomy_from_arterial(w: Warp, u: Warp, axes: Sequence[np.ndarray]) -> list[np.ndarray]:
    """q on a regular arterial grid: u inverted on a coarse grid and interpolated (to 0.1 mm)."""
    coarse, weights = [], []
    for line in axes:
        count = max(int(np.ceil((line[-1] - line[0]) / COARSE_MM)) + 1, 2)
        knots = np.linspace(line[0], line[-1], count, dtype=np.float32)
        coarse.append(knots)
        weights.append(_linear(knots, line))
    z, y, x = _open(coarse)
    venous = inverse(u, z, y, x, steps=8)
    shifts = w(*venous)
    anatomical = []
    for axis, line in enumerate(_open(axes)):
        offset = venous[axis] + shifts[axis] - _open(coarse)[axis]
        for weight in weights[::-1]:  # x, then y, then z: each time the last axis is stretched
            offset = np.moveaxis(offset @ weight.T, -1, 0)
        anatomical.append(np.ascontiguousarray(offset) + line)
    return anatomical


def field(u: Warp, axes: Sequence[np.ndarray]) -> np.ndarray:
    """u on a regular venous grid: float32 (z, y, x, 3), mm, components in the order z, y, x."""
    return np.stack(u(*_open(axes)), axis=-1)


def _open(axes):
    return [
        np.asarray(line, np.float32).reshape([-1 if i == axis else 1 for i in range(3)])
        for axis, line in enumerate(axes)
    ]


def _linear(knots, line):
    """Matrix (n, k) that interpolates linearly from `knots` to `line`."""
    at = np.clip((line - knots[0]) / (knots[1] - knots[0]), 0, len(knots) - 1)
    low = np.minimum(at.astype(int), len(knots) - 2)
    part = at - low
    weight = np.zeros((len(line), len(knots)), np.float32)
    rows = np.arange(len(line))
    weight[rows, low] = 1 - part
    weight[rows, low + 1] = part
    return weight


def _wave(length, random):
    phase = random.uniform(0, 2 * np.pi)
    rate = np.float32(2 * np.pi / length)
    return lambda c: np.sin(c * rate + np.float32(phase))


def _bump(middle, width):
    return lambda c: np.exp(np.float32(-0.5 / width**2) * (c - np.float32(middle)) ** 2)


def _slope(middle, width):
    return lambda c: 1 / (1 + np.exp(-(c - np.float32(middle)) * np.float32(1 / width)))


def _constant(c):
    return np.ones_like(c)
