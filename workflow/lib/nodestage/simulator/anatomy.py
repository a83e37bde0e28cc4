"""The upper abdomen as shapes in mm: where everything lies, how it varies, how it is painted.

Points are written (x, y, z) as an anatomist would: x to the patient's left, y to the back, z to
the head, from the middle of the body at the height of the pancreatic head. They become (z, y, x)
when they are drawn. Shapes of arteries come last, so that nothing covers them.
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


def draw(random, settings):
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


def paint(canvas, a):
    """Paint all tissues but the tumor and the arteries on a canvas.

    The tumor comes next and `paint_arteries` last: arteries go through a tumor unharmed.
    """
    s = a.scale
    _wall(canvas, a)
    _spine(canvas, a)
    for points, radius, content in a.bowel:
        radii = np.full(len(points), radius)
        canvas.tube(points, radii, t.BOWEL, over=(t.FAT, t.BOWEL, t.BOWEL_LUMEN))
        canvas.tube(points, radii - 3.5, content, over=(t.BOWEL,))
    _liver(canvas, a)
    if a.has_spleen:
        center, axes = a.solids["spleen"]
        turn = _turn(0.35, 0, 2)
        soft = (t.FAT, t.LUNG, t.BOWEL, t.BOWEL_LUMEN, t.GAS, t.STOOL)
        canvas.ellipsoid(center, axes, t.SPLEEN, turn, over=soft)
    for side, cortex, medulla in (
        ("right", t.RIGHT_KIDNEY, t.RIGHT_MEDULLA),
        ("left", t.LEFT_KIDNEY, t.LEFT_MEDULLA),
    ):
        center, axes = a.solids[f"{side}_kidney"]
        canvas.ellipsoid(center, axes, cortex)
        canvas.ellipsoid(center, axes - 6.5 * s, medulla)
        hilum = center.copy()
        hilum[2] += (14 if side == "right" else -14) * s
        canvas.ellipsoid(hilum, np.array([14, 6, 11]) * s, t.FAT)
    center, axes = a.solids["gallbladder"]
    canvas.ellipsoid(center, axes, t.GALLBLADDER, over=(t.FAT, t.LIVER, t.BOWEL, t.BOWEL_LUMEN))
    _gut(canvas, a)
    _adrenals(canvas, a)
    _pancreas(canvas, a)
    _veins(canvas, a)


def paint_arteries(canvas, a):
    """The arteries, thinnest first, so that a trunk keeps its whole caliber where a branch leaves."""
    c = a.calibers
    p = a.points
    renal = 2.6 * c
    _tube(canvas, p, ("renal_root_left", "left_renal"), (renal, renal), t.ARTERY)
    _tube(canvas, p, ("renal_root_right", "right_renal"), (renal, renal), t.ARTERY)
    _tube(canvas, p, ("hepatic_2", "gastroduodenal"), (2.2 * c, 2.0 * c), t.ARTERY)
    if a.has_lga:
        names = ("gastric_root", "gastric_1", "gastric_2", "gastric_end")
        _tube(canvas, p, names, np.array([2.6, 2.4, 2.2, 1.9]) * c, t.LGA)
    names = ("celiac_end", "hepatic_1", "hepatic_2", "hepatic_3", "hepatic_end")
    _tube(canvas, p, names, np.array([3.0, 2.8, 2.7, 2.4, 2.1]) * c, t.CHA_PHA)
    _tube(canvas, p, CELIAC, np.array([4.0, 3.8, 3.2, 3.1, 3.0, 2.9, 2.6]) * c, t.TC_SA)
    _tube(canvas, p, SMA, np.array([4.2, 4.0, 3.8, 3.4, 2.8]) * c, t.SMA)
    _tube(
        canvas,
        p,
        ("aorta_top", "aorta_mid", "aorta_low"),
        np.array([10.0, 9.2, 8.0]) * a.scale,
        t.AORTA,
    )


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


def _tube(canvas, points, names, radii, code, over=None):
    canvas.tube(np.array([points[name] for name in names]), radii, code, over)


def _wall(canvas, a):
    """Body, skin fat, muscles of the wall, ribs, and the lungs at the top."""
    z, y, x = canvas.place
    # A superellipse, flatter at the back than an ellipse.
    across, along = (x / a.width) ** 2, (y / a.depth) ** 2
    radius = across + along - 0.3 * across * along
    tissue = canvas.tissue
    tissue[radius < 1] = t.SKIN_FAT
    tissue[radius < 0.86] = t.MUSCLE
    cavity = radius < 0.72
    tissue[cavity] = t.FAT
    # Ribs slope down towards the front.
    course = (z + 0.45 * y) * np.float32(2 * np.pi / (27 * a.scale))
    ribs = (np.abs(radius - 0.80) < 0.045) & (np.cos(course) > 0.8) & (z - 0.5 * y > -45 * a.scale)
    tissue[ribs] = t.BONE
    # Lungs above a dome that reaches deepest along the wall, in the back most.
    dome = (92 - 70 * radius - 0.25 * (y + 20)) * np.float32(1)
    tissue[cavity & (z > dome * a.scale) & (y > -55 * a.scale)] = t.LUNG


def _spine(canvas, a):
    s = a.scale
    top, low = 130 * s, -130 * s

    def column(x, y, width, depth, code, over=None):
        center = np.array([0, y, x]) * s
        box = canvas.box(
            (low, center[1] - depth * s, center[2] - width * s),
            (top, center[1] + depth * s, center[2] + width * s),
        )
        z, y, x = canvas.at(box)
        inside = ((x - center[2]) / (width * s)) ** 2 + ((y - center[1]) / (depth * s)) ** 2 < 1
        canvas.paint(box, inside, code, over)
        return box, inside, z

    for side in (-1, 1):
        column(side * 34, 58, 13, 13, t.MUSCLE, over=(t.FAT,))  # psoas, quadratus
        column(side * 24, 70, 20, 13, t.MUSCLE)  # muscles behind the spine
    column(0, 45, 20, 16, t.BONE)
    box, inside, z = column(0, 45, 17.5, 13.5, t.MARROW)
    disc = np.mod(z / s + a.vertebra, 32) < 6
    canvas.paint(box, inside & disc, t.DISC)
    column(0, 66, 11, 8, t.BONE)
    column(0, 63, 6.5, 5.5, t.CANAL)
    column(0, 76, 3, 10, t.BONE)


def _liver(canvas, a):
    s = a.scale
    free = (t.FAT, t.LUNG, t.BOWEL, t.BOWEL_LUMEN, t.GAS, t.STOOL)
    for name in ("liver", "liver_left"):
        center, axes = a.solids[name]
        box, inside = canvas.within_ellipsoid(center, axes)
        canvas.paint(box, inside, t.LIVER, over=free)
    # A lesser omentum of fat between the liver, the stomach and the vessels.
    canvas.ellipsoid(np.array([28, -8, -4]) * s, np.array([30, 22, 28]) * s, t.FAT, over=(t.LIVER,))
    inside_liver = (t.LIVER,)
    hub = a.points["cava_top"]
    for end in ((62, -40, -60), (50, 20, -84), (66, -52, -10)):
        far = np.array(end) * s
        canvas.tube(
            np.array([hub, (hub + far) / 2 + 4, far]),
            np.array([4.5, 3.6, 2.4]) * s,
            t.HEPATIC_VEIN,
            over=inside_liver,
        )
    gate = a.points["portal_end"]
    for end in ((52, 0, -92), (26, -20, -92), (56, -48, -30)):
        far = np.array(end) * s
        canvas.tube(
            np.array([gate, (gate + far) / 2 - 3, far]),
            np.array([4.5, 3.4, 2.2]) * s,
            t.PORTAL_BRANCH,
            over=inside_liver,
        )


def _gut(canvas, a):
    """Stomach, esophagus and duodenum: walls first, then their contents."""
    s, p = a.scale, a.points
    path = np.array([p[n] for n in STOMACH])
    radii = np.array([24, 22, 18, 15, 9]) * s
    soft = (t.FAT, t.BOWEL, t.BOWEL_LUMEN, t.GAS, t.STOOL, t.LIVER, t.LUNG)
    canvas.tube(path, radii, t.STOMACH, over=soft)
    canvas.tube(path, radii - 4.5, t.STOMACH_LUMEN, over=(t.STOMACH,))
    # Gas gathers in front, where the patient lies on the back.
    level = p["corpus"][1] - 6 * s
    box = canvas.box((-200, -200, -200), (200, level, 200))
    _, y, _ = canvas.at(box)
    canvas.paint(box, y < level, t.STOMACH_GAS, over=(t.STOMACH_LUMEN,))
    _tube(
        canvas,
        p,
        ("esophagus_top", "esophagus_1", "esophagus_end"),
        np.array([7.5, 7.5, 7.5]) * s,
        t.ESOPHAGUS,
    )
    path = np.array([p[n] for n in DUODENUM])
    radii = np.array([10, 11, 12, 12, 11, 9.5, 8.5, 10, 10]) * s
    canvas.tube(path, radii, t.DUODENUM, over=soft + (t.GALLBLADDER,))
    canvas.tube(path, radii - 4, t.DUODENUM_LUMEN, over=(t.DUODENUM,))


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


def _adrenals(canvas, a):
    s = a.scale
    for name, code, side in (
        ("right_adrenal", t.RIGHT_ADRENAL, -1),
        ("left_adrenal", t.LEFT_ADRENAL, 1),
    ):
        top = a.points[name]
        for leg in ((-14, 8, 4 * side), (-14, 6, 13 * side)):
            path = np.array([top + np.array([6, -3, 0]) * s, top, top + np.array(leg) * s])
            canvas.tube(path, np.array([3.2, 3.6, 2.8]) * s, code)


def _pancreas(canvas, a):
    s, p = a.scale, a.points
    path = np.array([p[n] for n in PANCREAS])
    radii = np.array([11, 14.5, 9.5, 10, 9.5, 9.5, 8]) * s * a.thickness
    soft = (t.FAT, t.BOWEL, t.BOWEL_LUMEN, t.GAS, t.STOOL, t.LIVER, t.SPLEEN, t.LEFT_KIDNEY)
    canvas.tube(path, radii, t.PANCREAS, over=soft, smooth=3)
    hook = np.array([p["head_low"], p["uncinate"]])
    canvas.tube(hook, np.array([10, 8]) * s * a.thickness, t.PANCREAS, over=soft)


def _veins(canvas, a):
    s, p = a.scale, a.points
    _tube(
        canvas,
        p,
        ("cava_low", "cava_mid", "cava_top", "cava_end"),
        np.array([10.5, 10.5, 11, 11]) * s,
        t.VENA_CAVA,
    )
    _tube(canvas, p, ("left_renal", "cava_mid"), np.array([4, 4.5]) * s, t.VEIN, over=(t.FAT,))
    _tube(canvas, p, ("right_renal", "cava_mid"), np.array([4, 4.5]) * s, t.VEIN, over=(t.FAT,))
    _tube(
        canvas,
        p,
        (
            "confluence",
            "splenic_vein_1",
            "splenic_vein_2",
            "splenic_vein_3",
            "splenic_vein_end",
        ),
        np.array([5, 4.6, 4.4, 4.2, 3.6]) * s,
        t.PORTAL,
    )
    _tube(
        canvas,
        p,
        ("confluence", "portal_1", "portal_2", "portal_end"),
        np.array([7, 7, 6.5, 5.5]) * s,
        t.PORTAL,
    )
    _tube(
        canvas,
        p,
        ("smv_low", "smv_1", "smv_2", "confluence"),
        np.array([4.6, 5.4, 6, 6.4]) * s,
        t.SMV,
    )


def _turn(angle, i, j):
    """Rotation by an angle in the plane of two axes."""
    turn = np.eye(3)
    turn[i, i] = turn[j, j] = np.cos(angle)
    turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
    return turn


def landmarks(a):
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
    found = {name: a.points[point] for name, point in names.items()}
    for organ in ("right_kidney", "left_kidney", "spleen"):
        if organ == "spleen" and not a.has_spleen:
            continue
        center, axes = a.solids[organ]
        found[f"{organ}_lower_pole"] = center - np.array([axes[0], 0, 0])
    return found
