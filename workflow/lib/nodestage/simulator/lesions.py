"""Tumor, lymph nodes and what looks like nodes: small bodies drawn over the painted tissues.

Each is an ellipsoid with a soft edge, a mean density in each phase, a texture (the same
in both phases, since it belongs to the body) and maybe a core of another density.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from nodestage.core.volumes import Vector
from nodestage.simulator import tissue as t
from nodestage.simulator.anatomy import Anatomy
from nodestage.simulator.cancers import PANCREATIC, Cancer
from nodestage.simulator.shapes import Box, Canvas, rotation

OUTSIDE, INSIDE, VEIN, BOWEL, GANGLION = range(1, 6)
KINDS = {
    OUTSIDE: "outside",
    INSIDE: "inside",
    VEIN: "vein",
    BOWEL: "bowel",
    GANGLION: "ganglion",
}
_LATTICE_MM = 1.5
# Tissues that a node or a near confounder may replace; a vessel or a solid organ stays whole.
SOFT = (
    t.FAT,
    t.PANCREAS,
    t.DUODENUM,
    t.STOMACH,
    t.BOWEL,
    t.BOWEL_LUMEN,
    t.GAS,
    t.STOOL,
    t.MUSCLE,
)


@dataclass(frozen=True)
class Material:
    """What a body is made of.

    Attributes
    ----------
    hu : (arterial, venous)
    over : codes of the tissues that it may replace
    texture : (amplitude in HU, correlation in mm)
    edge : mm over which it blends into what is around it
    core : (relative radius, (arterial, venous) HU) or None
    """

    hu: tuple[float, float]
    over: tuple[int, ...]
    texture: tuple[float, float] = (0.0, 3.0)
    edge: float = 1.5
    core: tuple[float, tuple[float, float]] | None = None


@dataclass(frozen=True)
class Body:
    """One ellipsoid and its material.

    Attributes
    ----------
    center, axes : (z, y, x) in anatomical coordinates, and semi-axes, mm
    turn : 3 × 3 rotation
    material : what it is made of
    lattice : the texture, drawn once for both phases
    """

    center: np.ndarray
    axes: np.ndarray
    turn: np.ndarray
    material: Material
    lattice: np.ndarray = field(repr=False)


def body(
    random: np.random.Generator,
    center: Vector,
    volume: float,
    material: Material,
    shape: Vector = (1.25, 1.0, 0.8),
) -> Body:
    """An ellipsoid of a volume (mm³) and shape (z, y, x), turned at random, with its texture drawn."""
    shape = np.asarray(shape) / np.prod(shape) ** (1 / 3)
    axes = shape * (volume * 3 / (4 * np.pi)) ** (1 / 3)
    return Body(
        np.asarray(center, float),
        axes,
        rotation(random),
        material,
        _lattice(random, max(axes) + 6, material.texture),
    )


def _lattice(random, half_width, texture):
    """Correlated noise on a cube around the body, mean 0 and SD the amplitude."""
    amplitude, correlation = texture
    count = int(np.ceil(2 * half_width / _LATTICE_MM)) + 3
    noise = ndimage.gaussian_filter(
        random.standard_normal((count, count, count)), correlation / _LATTICE_MM / 2
    )
    return ((noise - noise.mean()) / noise.std() * amplitude).astype(np.float32)


def lay(canvas: Canvas, image: np.ndarray, body: Body, phase: str) -> tuple[Box, np.ndarray]:
    """Blend a body into an image in HU, and return where it is.

    Parameters
    ----------
    canvas : Canvas with the painted tissues
    image : float32 (z, y, x); the body is blended into it
    body : Body
    phase : "arterial" or "venous"

    Returns
    -------
    box (slices) and mask inside it; the mask holds one voxel at least, if the body lies in the image
    """
    column = ("arterial", "venous").index(phase)
    material = body.material
    margin = material.edge / 2 + 1
    box, radius = canvas.ellipsoid_radius(body.center, body.axes, body.turn, margin)
    if 0 in radius.shape:
        return box, np.zeros(radius.shape, bool)
    radius = np.sqrt(radius)
    mean_axis = np.float32(np.mean(body.axes))
    free = np.isin(canvas.tissue[box], material.over)
    weight = np.clip(0.5 - (radius - 1) * mean_axis / np.float32(material.edge), 0, 1) * free
    value = np.full(radius.shape, material.hu[column], np.float32)
    if material.texture[0]:
        middle = (body.lattice.shape[0] - 1) / 2
        where = [
            (line - np.float32(c)) / _LATTICE_MM + middle
            for line, c in zip(canvas.at(box), body.center, strict=True)
        ]
        value += ndimage.map_coordinates(body.lattice, where, order=1, mode="nearest")
    if material.core is not None:
        inner, densities = material.core
        soft = np.clip(0.5 - (radius - inner) * mean_axis / 1.5, 0, 1)
        value += soft * (densities[column] - value)
    image[box] += weight * (value - image[box])
    mask = (radius < 1) & free
    if not mask.any() and free.any():
        mask.flat[np.argmin(np.where(free, radius, np.inf))] = True
        if radius[mask][0] > 2:  # the body lies beside the image, only its box touches it
            mask[:] = False
    return box, mask


def tumor(
    random: np.random.Generator,
    anatomy: Anatomy,
    row: dict,
    cue: float,
    cancer: Cancer = PANCREATIC,
) -> tuple[Body, str]:
    """The tumor as a body, of the row's size and location; texture and margin carry the cue.

    The largest diameter is the row's `tumor_size_cm`. An unknown size or location is drawn.
    """
    size = float(row["tumor_size_cm"]) if row["tumor_size_cm"] else random.uniform(2.2, 4.0)
    locations = row["tumor_location"].split("_") if row["tumor_location"] else cancer.unknown
    location = locations[int(random.random() * len(locations))]
    start, end = (anatomy.points[name] for name in cancer.courses[location])
    center = start + (end - start) * random.uniform(0, 0.7) + random.normal(size=3)
    if cancer.wall_mm:
        center = center + _sideways(random, end - start) * cancer.wall_mm * anatomy.scale
    shape = np.array([1.0, random.uniform(0.75, 0.95), random.uniform(0.65, 0.85)])
    axes = shape * size * 5
    level = cue_level(cue)
    material = Material(cancer.hu, cancer.over, texture=(4 + 36 * level, 5.0), edge=1.5 + 8 * level)
    return body(random, center, float(4 / 3 * np.pi * np.prod(axes)), material, shape), location


def _sideways(random, course):
    """A random unit vector at right angles to a course."""
    along = course / np.linalg.norm(course)
    side = random.normal(size=3)
    side -= (side @ along) * along
    return side / np.linalg.norm(side)


def cue_level(cue: float) -> float:
    """The tumor cue as a level in (0, 1): how coarse the texture, how blurred the margin."""
    return float(1 / (1 + np.exp(-1.4 * (cue - 0.5))))


def node(
    random: np.random.Generator,
    center: Vector,
    volume: float,
    appearance: float,
    over: tuple[int, ...] = SOFT,
) -> tuple[Body, bool]:
    """A lymph node, and whether it is necrotic. Its appearance (0 ± 1 in negative ones) makes it paler, uneven, or necrotic."""
    paler = 9.0 * appearance
    necrotic = bool(appearance > 1.5 and volume > 300 and random.random() < 0.6)
    material = Material(
        (t.NODE[0] - 0.7 * paler, t.NODE[1] - paler),
        over,
        texture=(3 + 6 * max(appearance, 0.0), 3.0),
        core=(0.55, (32.0, 34.0)) if necrotic else None,
    )
    return body(random, center, volume, material), necrotic


def near_confounder(
    random: np.random.Generator, kind: int, center: Vector, vein_hu: tuple[float, float]
) -> Body:
    """A section of vein, a piece of bowel or a ganglion where nodes occur."""
    if kind == VEIN:
        volume = random.uniform(250, 700)
        return body(random, center, volume, Material(vein_hu, SOFT), (1.7, 0.8, 0.8))
    if kind == BOWEL:
        volume = random.uniform(500, 1200)
        material = Material((75.0, 88.0), SOFT, core=(0.62, (22.0, 22.0)))
        return body(random, center, volume, material, (1.2, 1, 0.9))
    return body(
        random, center, random.uniform(120, 300), Material(t.GANGLION, SOFT), (1.7, 1.0, 0.55)
    )
