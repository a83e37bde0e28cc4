"""Masks as a center would draw them, which is not always what is true."""

import numpy as np

from nodestage.simulator import anatomy as anatomies
from nodestage.simulator import cancers
from nodestage.simulator import tissue as t
from nodestage.simulator.scene import Scene
from nodestage.simulator.shapes import Canvas

ARTERIES = (t.SMA, t.TC_SA, t.LGA, t.CHA_PHA)
TEACHER = tuple(range(1, 18))


def draw(scene: Scene, canvas: Canvas, maps: dict, record: dict) -> dict[str, np.ndarray]:
    """Annotations of one patient on the phase that the center annotates.

    Returns
    -------
    dict of uint8 arrays (z, y, x): `organs` (labels 1 to 19, 0 where not annotated), `tumor` (1),
    `lymph_nodes` (1 negative, 2 positive; some small ones overlooked)
    """
    organs = maps["organs"]
    if scene.center["role"] == "auxiliary":
        organs = _teacher(canvas, organs, scene.anatomy)
    else:
        # Training patients get four arteries by hand, as in the paper; the rest comes from the
        # teacher. Test patients get the ten classes of Table II.
        classes = (
            ARTERIES
            if scene.row["organ_set"] in ("train", "validation")
            else tuple(cancers.of(scene.settings).shares)
        )
        organs = _keep(organs, classes)
    value = np.zeros(len(record["nodes"]) + 1, np.uint8)
    for node in record["nodes"]:
        value[node["instance"]] = (1 + node["positive"]) * node["annotated"]
    return {"organs": organs, "tumor": maps["tumor"], "lymph_nodes": value[maps["nodes"]]}


def _keep(organs, classes):
    table = np.zeros(256, np.uint8)
    table[list(classes)] = list(classes)
    return table[organs]


def _teacher(canvas, organs, anatomy):
    """The teacher's 17 classes: no left gastric or hepatic artery, the two others cut short."""
    organs = _keep(organs, TEACHER)
    for code, course, pieces in ((t.TC_SA, anatomies.CELIAC, 4), (t.SMA, anatomies.SMA, 3)):
        path = np.array([anatomy.points[name] for name in course[:pieces]])
        kept = canvas.within_tube(path, np.full(pieces, 7.0 * anatomy.calibers))
        organs[(organs == code) & ~kept] = 0
    return organs
