"""One simulated patient, from a seed, a row of the sample sheet and the settings."""

from dataclasses import dataclass

import numpy as np

from nodestage.core.volumes import Volume
from nodestage.simulator import anatomy as anatomies
from nodestage.simulator import annotate, draws, lesions, motion, painting, places, scanner
from nodestage.simulator import tissue as t
from nodestage.simulator.latents import latent_draws
from nodestage.simulator.shapes import Canvas

PHASES = ("venous", "arterial")


@dataclass(frozen=True)
class Patient:
    """Two scans, the annotations that the center would draw, and the truth.

    Attributes
    ----------
    patient : code
    arterial, venous : Volume, int16 HU, each on its own grid
    organs, tumor, lymph_nodes : Volume, uint8, on the grid of the center's `mask_phase`
    truth : dict
        `organs`, `tumor`, `nodes` (instances), `confounders` (kinds) as {phase: Volume};
        `field` float32 (z, y, x, 3), mm on the venous grid, components (z, y, x), from a venous
        point to where it lies in the arterial phase; `record`, everything that is not an image
    """

    patient: str
    arterial: Volume
    venous: Volume
    organs: Volume
    tumor: Volume
    lymph_nodes: Volume
    truth: dict


def simulate(seed, row, settings):
    """Make one patient.

    Parameters
    ----------
    seed : int
    row : dict, a row of `sheet(settings, seed)`; its code, center, status, tumor size and place
        shape the patient, its paths don't
    settings : dict, the config's section `simulator`

    Returns
    -------
    Patient
    """

    def random(name):
        return draws.stream(seed, row["patient"], name)

    center = settings["centers"][row["center"]]
    latent = latent_draws(seed, row, settings)
    body = anatomies.draw(random("anatomy"), settings)
    bend = motion.variation(random("variation"), settings["scale"])
    breath = motion.between_phases(random("motion"), settings)
    exam = scanner.setup(random("exam"), settings, center, latent["positive"])
    growth, place = lesions.tumor(random("tumor"), body, row, latent["tumor_cue"])

    canvases = {}
    for phase in PHASES:
        axes = exam["grids"][phase]["axes"]
        where = (
            motion.anatomy_from_venous(bend, axes)
            if phase == "venous"
            else motion.anatomy_from_arterial(bend, breath, axes)
        )
        canvases[phase] = Canvas(where, axes)
        painting.paint(canvases[phase], body)
        painting.paint_arteries(canvases[phase], body)

    nodes, doubles = _place(seed, row, settings, latent, body, canvases, growth, exam)
    maps, scans = {}, {}
    for phase in PHASES:
        grid = exam["grids"][phase]
        image, maps[phase] = _compose(
            canvases[phase], phase, exam, growth, nodes, doubles, random("contrast")
        )
        pixels = scanner.scan(image, exam, grid["spacing"], random(f"noise {phase}"))
        scans[phase] = Volume(pixels, grid["spacing"], grid["origin"])

    def on(phase, array):
        return scans[phase].with_array(array)

    record = _record(
        row, latent, body, bend, breath, exam, place, nodes, doubles, maps, settings, growth
    )
    mask_phase = center["mask_phase"]
    drawn = annotate.draw(canvases[mask_phase], maps[mask_phase], body, center, row, record)
    truth = {
        role: {phase: on(phase, maps[phase][role]) for phase in PHASES}
        for role in ("organs", "tumor", "nodes", "confounders")
    }
    truth["field"] = motion.field(breath, exam["grids"]["venous"]["axes"])
    truth["record"] = record
    return Patient(
        row["patient"],
        scans["arterial"],
        scans["venous"],
        *(on(mask_phase, drawn[role]) for role in ("organs", "tumor", "lymph_nodes")),
        truth,
    )


def _place(seed, row, settings, latent, body, canvases, growth, exam):
    """Put nodes, then near and far confounders into the free room of the venous phase.

    Returns
    -------
    nodes : list of (Body, facts) and doubles : list of (Body, kind)
    """
    patient = row["patient"]
    canvas = canvases["venous"]
    labels = t.LABEL_OF[canvas.tissue]
    box, radius = canvas.ellipsoid_radius(growth.center, growth.axes, growth.turn)
    labels[box][(radius < 1) & np.isin(canvas.tissue[box], growth.over)] = t.PANCREAS
    room = places.Room(canvas, labels, exam["grids"]["venous"]["spacing"])
    room.take(growth.center, float(np.min(growth.axes)))

    nodes = []
    random = draws.stream(seed, patient, "node places")
    for facts in latent["nodes"]:
        outside = bool(random.random() < settings["nodes"]["outside"])
        radius = _radius(facts["volume_mm3"])
        center = room.node(random, radius, outside)
        made, necrotic = lesions.node(random, center, facts["volume_mm3"], facts["appearance"])
        nodes.append((made, {**facts, "outside": outside, "necrotic": necrotic}))

    doubles = []
    random = draws.stream(seed, patient, "near confounders")
    kinds = (lesions.VEIN, lesions.BOWEL, lesions.GANGLION)
    first = int(random.integers(3))
    vein = tuple(float(t.HU_OF[phase][t.VEIN]) for phase in ("arterial", "venous"))
    for number in range(settings["near_confounders"]):
        kind = kinds[(first + number) % 3]
        beside = (t.AORTA, t.TC_SA, t.SMA) if kind == lesions.GANGLION else None
        center = room.node(random, 5.5, False, beside)
        doubles.append((lesions.near_confounder(random, kind, center, vein), kind))

    random = draws.stream(seed, patient, "far confounders")
    for number in range(settings["far_confounders"]):
        volume = float(np.exp(random.normal(np.log(350), 0.6)))
        volume = min(max(volume, 100.0), 1500.0)
        # Some look like positive nodes, most like negative ones: only the place tells.
        looks = random.normal() + settings["node_effect"] * (random.random() < 0.3)
        center = room.far(random, _radius(volume)) if number % 2 == 0 else None
        kind, over = lesions.OUTSIDE, (t.FAT, t.SKIN_FAT, t.MUSCLE, t.LIVER)
        if center is None:
            volume = min(volume, 600.0)  # so that all of it lies deep
            center, over = places.inside_organ(random, body, room, _radius(volume))
            kind = lesions.INSIDE
        doubles.append((lesions.node(random, center, volume, looks, over)[0], kind))
    return nodes, doubles


def _radius(volume):
    return float((volume * 3 / (4 * np.pi)) ** (1 / 3))


def _compose(canvas, phase, exam, growth, nodes, doubles, random):
    """The image in HU before the scanner, and the maps of truth (uint8, z, y, x)."""
    table = t.hu(phase, exam["timing"], random)
    image = table[canvas.tissue]
    maps = {role: np.zeros(image.shape, np.uint8) for role in ("tumor", "nodes", "confounders")}
    box, mask = lesions.lay(canvas, image, growth, phase)
    maps["tumor"][box][mask] = 1
    maps["organs"] = t.LABEL_OF[canvas.tissue]
    maps["organs"][maps["tumor"] > 0] = t.PANCREAS  # the pancreas includes its tumor
    for made, kind in doubles:
        box, mask = lesions.lay(canvas, image, made, phase)
        maps["confounders"][box][mask] = kind
    for number, (made, _) in enumerate(nodes, start=1):
        box, mask = lesions.lay(canvas, image, made, phase)
        maps["nodes"][box][mask] = number
        maps["tumor"][box][mask] = 0
    return image, maps


def _record(row, latent, body, bend, breath, exam, place, nodes, doubles, maps, settings, growth):
    """What is true of a patient, as plain values. Points are (x, y, z) in mm in the scan's room."""
    table = exam["table"]

    def points(spot):
        """An anatomical point (z, y, x) in both phases."""
        column = [np.full(1, c, float) for c in spot]
        venous = motion.inverse(bend, *column)
        moved = breath(*venous)
        found = {}
        for phase, extra in (("venous", (0, 0, 0)), ("arterial", moved)):
            at = [float(v[0]) for v in venous]
            at = [v + float(np.ravel(e)[0]) + o for v, e, o in zip(at, extra, table, strict=True)]
            found[phase] = [round(float(c), 2) for c in at[::-1]]
        return found

    def visible(found):
        for phase in PHASES:
            grid = exam["grids"][phase]
            for at, first, step, count in zip(
                found[phase],
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
    small = settings["nodes"]["small_mm3"]
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
            "center": points(made.center),
        }
        for number, (made, facts) in enumerate(nodes, start=1)
    ]
    landmarks = {name: points(spot) for name, spot in anatomies.landmarks(body).items()}
    return {
        "patient": row["patient"],
        "center": row["center"],
        "positive": latent["positive"],
        "cues": {
            "tumor": latent["tumor_cue"],
            "tumor_level": lesions.cue_level(latent["tumor_cue"]),
            "positive_nodes": sum(node["positive"] for node in latent["nodes"]),
        },
        "oracle": latent["oracle"],
        "nodes": instances,
        "confounders": [
            {"kind": lesions.KINDS[kind], "center": points(made.center)} for made, kind in doubles
        ],
        "tumor": {
            "place": place,
            "center": points(growth.center),
            "volume_mm3": int(maps["venous"]["tumor"].sum()) * voxel["venous"],
        },
        "landmarks": {name: found for name, found in landmarks.items() if visible(found)},
        "variants": {"no_lga": not body.has_lga, "splenectomy": not body.has_spleen},
        "scan": {name: value for name, value in exam.items() if name not in ("grids", "table")},
    }
