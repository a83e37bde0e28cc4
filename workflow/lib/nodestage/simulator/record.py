"""What is true of one simulated patient, beside the images."""

import numpy as np

from nodestage.simulator import anatomy as anatomies
from nodestage.simulator import lesions, motion
from nodestage.simulator.scene import Scene

PHASES = ("venous", "arterial")


def record(scene: Scene, maps: dict[str, dict[str, np.ndarray]]) -> dict:
    """What is true of a patient, as plain values.

    Points are (x, y, z) in mm, in the scan's coordinates.

    maps : {phase: {role: map (z, y, x)}}
    """
    latent, exam = scene.latent, scene.exam
    table = exam["table"]

    def points(spot):
        """An anatomical point (z, y, x) in both phases."""
        column = [np.full(1, c, float) for c in spot]
        venous = motion.inverse(scene.bend, *column)
        moved = scene.breath(*venous)
        both = {}
        for phase, extra in (("venous", (0, 0, 0)), ("arterial", moved)):
            at = [float(v[0]) for v in venous]
            at = [v + float(np.ravel(e)[0]) + o for v, e, o in zip(at, extra, table, strict=True)]
            both[phase] = [round(float(c), 2) for c in at[::-1]]
        return both

    def visible(point):
        for phase in PHASES:
            grid = exam["grids"][phase]
            for at, first, step, count in zip(
                point[phase],
                grid["origin"],
                grid["spacing"][::-1],
                grid["shape"][::-1],
                strict=True,
            ):
                if not first <= at <= first + step * (count - 1):
                    return False
        return True

    voxel = {phase: float(np.prod(exam["grids"][phase]["spacing"])) for phase in PHASES}
    counts = {phase: np.bincount(maps[phase]["nodes"].ravel(), minlength=99) for phase in PHASES}
    small = scene.settings["nodes"]["small_mm3"]
    instances = [
        {
            "instance": number,
            "positive": facts["positive"],
            "appearance": facts["appearance"],
            "drawn_volume_mm3": facts["volume_mm3"],
            "volume_mm3": counts["venous"][number] * voxel["venous"],
            "volume_arterial_mm3": counts["arterial"][number] * voxel["arterial"],
            "outside": facts["outside"],
            "necrotic": facts["necrotic"],
            "annotated": not (facts["missed"] and facts["volume_mm3"] < small),
            "center": points(node.center),
        }
        for number, (node, facts) in enumerate(scene.nodes, start=1)
    ]
    landmarks = {name: points(spot) for name, spot in anatomies.landmarks(scene.anatomy).items()}
    return {
        "patient": scene.row["patient"],
        "center": scene.row["center"],
        "positive": latent["positive"],
        "cues": {
            "tumor": latent["tumor_cue"],
            "tumor_level": lesions.cue_level(latent["tumor_cue"]),
            "positive_nodes": sum(node["positive"] for node in latent["nodes"]),
        },
        "oracle": latent["oracle"],
        "nodes": instances,
        "confounders": [
            {"kind": lesions.KINDS[kind], "center": points(body.center)}
            for body, kind in scene.confounders
        ],
        "tumor": {
            "place": scene.location,
            "center": points(scene.tumor.center),
            "volume_mm3": int(maps["venous"]["tumor"].sum()) * voxel["venous"],
        },
        "landmarks": {name: point for name, point in landmarks.items() if visible(point)},
        "variants": {
            "no_lga": not scene.anatomy.has_lga,
            "splenectomy": not scene.anatomy.has_spleen,
        },
        "scan": {name: value for name, value in exam.items() if name not in ("grids", "table")},
    }
