"""An anatomy painted on a grid, tissue by tissue. Arteries come last, so that nothing covers them."""

import numpy as np

from nodestage.simulator import tissue as t
from nodestage.simulator.anatomy import CELIAC, DUODENUM, PANCREAS, SMA, STOMACH, Anatomy
from nodestage.simulator.shapes import Canvas


def paint(canvas: Canvas, a: Anatomy) -> None:
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


def paint_arteries(canvas: Canvas, a: Anatomy) -> None:
    """The arteries, thinnest first, so that a trunk keeps its whole caliber where a branch leaves."""
    c = a.calibers
    p = a.points
    renal = 2.6 * c
    _tube(canvas, p, ("renal_root_left", "left_renal"), (renal, renal), t.ARTERY)
    _tube(canvas, p, ("renal_root_right", "right_renal"), (renal, renal), t.ARTERY)
    _tube(canvas, p, ("hepatic_2", "gastroduodenal"), (2.2 * c, 2.0 * c), t.ARTERY)
    if a.has_lga:
        gastric = ("gastric_root", "gastric_1", "gastric_2", "gastric_end")
        _tube(canvas, p, gastric, np.array([2.6, 2.4, 2.2, 1.9]) * c, t.LGA)
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


def _tube(canvas, points, names, radii, code, over=None):
    canvas.tube(np.array([points[name] for name in names]), radii, code, over)


def _wall(canvas, a):
    """Body, skin fat, muscles of the wall, ribs, and the lungs at the top."""
    z, y, x = canvas.anatomical
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
