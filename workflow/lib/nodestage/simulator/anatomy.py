"""The upper abdomen as shapes in mm: where everything lies, and how it varies.

Points are written (x, y, z) as an anatomist would: x to the patient's left, y to the back, z to
the head, from the middle of the body at the height of the pancreatic head. They become (z, y, x)
when they are drawn.
"""

from dataclasses import dataclass

import numpy as np

from nodestage.simulator import tissue as t

# Named points: tubes that meet share a point, and a point varies once for all of them.
_POINTS = {
    "aorta_top": (3, 22, 95),
    "aorta_mid": (7, 20, 15),
    "aorta_low": (4, 20, -95),
    "celiac_root": (7, 13, 23),
    "celiac_end": (6, -3, 25),
    "splenic_1": (20, -9, 29),
    "splenic_2": (36, 3, 27),
    "splenic_3": (52, 10, 35),
    "splenic_4": (66, 22, 35),
    "splenic_hilum": (78, 30, 38),
    "hepatic_1": (-8, -14, 24),
    "hepatic_2": (-22, -20, 21),
    "hepatic_3": (-28, -18, 33),
    "hepatic_end": (-34, -16, 45),
    "gastroduodenal": (-25, -25, -2),
    "gastric_root": (6, -1, 26),
    "gastric_1": (10, -2, 40),
    "gastric_2": (17, -9, 51),
    "gastric_end": (24, -24, 47),
    "sma_root": (7, 12, 8),
    "sma_1": (7, -1, 2),
    "sma_2": (7, -6, -16),
    "sma_3": (5, -9, -45),
    "sma_end": (0, -14, -90),
    "smv_low": (-13, -16, -90),
    "smv_1": (-8, -12, -42),
    "smv_2": (-8, -10, -16),
    "confluence": (-8, -7, 4),
    "portal_1": (-20, -5, 18),
    "portal_2": (-32, -10, 34),
    "portal_end": (-46, -10, 44),
    "splenic_vein_1": (10, -9, 10),
    "splenic_vein_2": (34, 7, 18),
    "splenic_vein_3": (58, 24, 27),
    "splenic_vein_end": (79, 33, 33),
    "cava_low": (-19, 22, -95),
    "cava_mid": (-19, 20, -10),
    "cava_top": (-18, 8, 62),
    "cava_end": (-14, 2, 95),
    "esophagus_top": (1, 8, 95),
    "esophagus_1": (4, 5, 72),
    "esophagus_end": (20, -4, 60),
    "fundus": (46, 2, 62),
    "corpus": (46, -22, 40),
    "corpus_2": (34, -46, 16),
    "antrum": (10, -56, 2),
    "pylorus": (-16, -46, 2),
    "bulb": (-34, -36, 6),
    "duodenum_1": (-46, -22, -6),
    "duodenum_2": (-48, -8, -26),
    "duodenum_3": (-42, 2, -44),
    "duodenum_4": (-22, 4, -52),
    "duodenum_5": (4, 2, -52),
    "duodenum_6": (24, -2, -44),
    "duodenum_end": (30, -14, -30),
    "head": (-29, -12, -14),
    "head_low": (-28, -6, -30),
    "uncinate": (-16, -2, -24),
    "neck": (-7, -22, 2),
    "body": (12, -24, 14),
    "body_2": (34, -9, 19),
    "tail": (56, 12, 27),
    "tail_end": (70, 22, 30),
    "right_adrenal": (-31, 26, 30),
    "left_adrenal": (27, 24, 28),
    "right_renal": (-40, 34, -22),
    "left_renal": (40, 32, -12),
    "renal_root_left": (12, 20, -8),
    "renal_root_right": (-2, 20, -12),
}

# Solid organs: center and semi-axes (x, y, z), mm.
_SOLIDS = {
    "liver": ((-66, -6, 34), (47, 60, 58)),
    "liver_left": ((-16, -46, 48), (46, 26, 30)),
    "spleen": ((78, 27, 44), (24, 35, 38)),
    "right_kidney": ((-56, 42, -26), (23, 20, 44)),
    "left_kidney": ((57, 40, -16), (22, 20, 44)),
    "gallbladder": ((-46, -42, -2), (11, 14, 20)),
}

# Courses: the points that a tube joins, in order.
CELIAC = (
    "celiac_root",
    "celiac_end",
    "splenic_1",
    "splenic_2",
    "splenic_3",
    "splenic_4",
    "splenic_hilum",
)
SMA = ("sma_root", "sma_1", "sma_2", "sma_3", "sma_end")
STOMACH = ("fundus", "corpus", "corpus_2", "antrum", "pylorus")
DUODENUM = (
    "pylorus",
    "bulb",
    "duodenum_1",
    "duodenum_2",
    "duodenum_3",
    "duodenum_4",
    "duodenum_5",
    "duodenum_6",
    "duodenum_end",
)
PANCREAS = ("head_low", "head", "neck", "body", "body_2", "tail", "tail_end")


@dataclass
class Anatomy:
    """One patient's shapes: points and solids as (z, y, x) in mm, calibers, variants, bowel."""

    points: dict
    solids: dict
    scale: float
    calibers: float
    width: float
    depth: float
    has_lga: bool
    has_spleen: bool
    bowel: list
    vertebra: float
    thickness: float


def draw(random: np.random.Generator, settings: dict) -> Anatomy:
    """Draw one patient's anatomy."""
    scale = settings["scale"] * random.uniform(0.96, 1.05)
    # The order of the draws is fixed, whatever the variants are.
    has_lga = bool(random.random() >= settings["no_lga"])
    has_spleen = bool(random.random() >= settings["splenectomy"])
    height = random.normal() * 5.0
    points = {}
    for name, (x, y, z) in _POINTS.items():
        dx, dy, dz = random.normal(size=3) * (1.2 if "aorta" in name else 1.8)
        points[name] = np.array([(z + height) * scale + dz, y * scale + dy, x * scale + dx])
    solids = {}
    for name, ((x, y, z), (a, b, c)) in _SOLIDS.items():
        dx, dy, dz = random.normal(size=3) * (3.0, 3.0, 4.0)
        sizes = np.array([c, b, a]) * scale * np.clip(1 + 0.07 * random.normal(size=3), 0.8, 1.2)
        center = np.array([(z + height) * scale + dz, y * scale + dy, x * scale + dx])
        solids[name] = (center, sizes)
    return Anatomy(
        points=points,
        solids=solids,
        scale=scale,
        calibers=settings["calibers"] * random.uniform(0.93, 1.07),
        width=119 * scale,
        depth=90 * scale,
        has_lga=has_lga,
        has_spleen=has_spleen,
        bowel=_bowel(random, scale, height),
        vertebra=random.uniform(0, 30),
        thickness=random.uniform(0.88, 1.12),
    )


def _bowel(random, scale, height):
    """Loops: (points (n, 3) as (z, y, x), radius mm, contents)."""
    loops = []
    # Small bowel fills the front below the pancreas, on the left more than on the right.
    for _ in range(9):
        middle = np.array(
            [random.uniform(-88, -40), random.uniform(-66, -18), random.uniform(-45, 70)]
        )
        course = np.cumsum(random.normal(size=(4, 3)) * 14, axis=0)
        content = t.GAS if random.random() < 0.15 else t.BOWEL_LUMEN
        loops.append(
            ((middle + course - course.mean(0)) * scale, random.uniform(8, 11) * scale, content)
        )
    colon = {
        "ascending": [(-95, 12, -88), (-28, 8, -86), (-22, -24, -82)],
        "transverse": [(-26, -58, -58), (-40, -68, -16), (-34, -66, 34), (2, -46, 76)],
        "descending": [(14, 0, 94), (-30, 24, 94), (-95, 28, 90)],
    }
    for course in colon.values():
        points = np.array(course, float) + random.normal(size=(len(course), 3)) * 3
        points[:, 0] += height
        content = t.GAS if random.random() < 0.4 else t.STOOL
        loops.append((points * scale, random.uniform(11, 14) * scale, content))
    return loops


def landmarks(a: Anatomy) -> dict[str, np.ndarray]:
    """Points that a reader would find in both phases, in anatomical coordinates (z, y, x), mm."""
    names = {
        "celiac_trunk": "celiac_root",
        "superior_mesenteric_artery": "sma_root",
        "portal_confluence": "confluence",
        "hepatic_bifurcation": "hepatic_2",
        "pylorus": "pylorus",
        "pancreatic_neck": "neck",
        "pancreatic_tail": "tail_end",
        "esophagogastric_junction": "esophagus_end",
        "duodenojejunal_flexure": "duodenum_end",
        "left_adrenal": "left_adrenal",
        "right_adrenal": "right_adrenal",
    }
    marks = {name: a.points[point] for name, point in names.items()}
    for organ in ("right_kidney", "left_kidney", "spleen"):
        if organ == "spleen" and not a.has_spleen:
            continue
        center, axes = a.solids[organ]
        marks[f"{organ}_lower_pole"] = center - np.array([axes[0], 0, 0])
    return marks
