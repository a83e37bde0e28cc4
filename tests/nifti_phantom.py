"""The phantom as NIfTI of many kinds, and masks of it."""

import numpy as np
from cohort_phantom import CUBE, SHAPE, SPACING, affine_ras, phantom


def turned(order, signs):
    """RAS affine of the phantom after `transpose(order)` and flips by `signs`, in (z, y, x) axes."""
    base = affine_ras()
    affine = np.eye(4)
    affine[:3, 3] = base[:3, 3]
    for axis in range(3):  # numpy axis of the stored array; index axis 2 - axis
        source = 2 - order[axis]
        affine[:3, 2 - axis] = base[:3, source] * signs[axis]
        if signs[axis] < 0:
            affine[:3, 3] += base[:3, source] * (SHAPE[order[axis]] - 1)
    return affine


def sheared(radians):
    """The phantom's affine with its second axis turned towards its third alone."""
    affine = affine_ras()
    affine[2, 1] = np.sin(radians) * SPACING[1]
    affine[1, 1] *= np.cos(radians)
    return affine


def quaternion(shift=None, steps=(1.0, 1.5, 1.5, 2.5)):
    """qform of the phantom: turned by 180° about the third axis."""
    where = affine_ras()[:3, 3] if shift is None else shift
    return steps, (0, 0, 1, *where)


def with_value(value, count, dtype="f4"):
    array = phantom().astype(dtype)
    array.ravel()[:count] = value
    return array


def noisy(inside=False):
    """The phantom with fat around its body and noise; `inside`: a field of view within the body."""
    _, y, x = np.indices(SHAPE)
    rng = np.random.default_rng(0)
    array = phantom().astype(np.int32)
    radius = ((y - 32) / 24) ** 2 + ((x - 32) / 28) ** 2
    array[(radius > 0.5) & (radius < 1)] = -100
    array += rng.normal(0, 12, SHAPE).astype(int)
    return array[:, 18:46, 16:48] if inside else array


KNOWN = {"spleen": 1, "liver": 6, "pancreas": 11, "cha_pha": 19}


def cube(dtype="u1", value=1):
    array = np.zeros(SHAPE, dtype)
    array[CUBE] = value
    return array


def shifted(mm):
    affine = affine_ras()
    affine[0, 3] += mm
    return affine
