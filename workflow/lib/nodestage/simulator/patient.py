"""One simulated patient, from a seed, a row of the sample sheet and the settings."""

from dataclasses import dataclass

import numpy as np

from nodestage.core.volumes import Volume
from nodestage.simulator import annotate, cancers, lesions, motion, painting, scanner, scene
from nodestage.simulator import tissue as t
from nodestage.simulator.record import PHASES, record
from nodestage.simulator.scene import Scene
from nodestage.simulator.shapes import Canvas


@dataclass(frozen=True)
class Patient:
    """Two scans, the annotations that the center would draw, and the truth.

    Attributes
    ----------
    patient : code
    arterial, venous : Volume, int16 HU, each on its grid
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


def simulate(seed: int, row: dict, settings: dict) -> Patient:
    """Make one patient.

    Parameters
    ----------
    seed : int
    row : dict, a row of `sheet(settings, seed)`; its code, center, status, tumor size and
        location shape the patient, its paths don't
    settings : dict, the config's section `simulator`

    Returns
    -------
    Patient
    """
    drawn = scene.draw(seed, row, settings)
    canvases = {phase: _painted(drawn, phase) for phase in PHASES}
    drawn = scene.placed(drawn, canvases["venous"])
    maps, scans = {}, {}
    for phase in PHASES:
        grid = drawn.exam["grids"][phase]
        image, maps[phase] = _compose(drawn, canvases[phase], phase)
        pixels = scanner.scan(image, drawn.exam, grid["spacing"], drawn.random(f"noise {phase}"))
        scans[phase] = Volume(pixels, grid["spacing"], grid["origin"])

    def on(phase, array):
        return scans[phase].with_array(array)

    facts = record(drawn, maps)
    mask_phase = drawn.center["mask_phase"]
    masks = annotate.draw(drawn, canvases[mask_phase], maps[mask_phase], facts)
    known = t.numbers(settings.get("anatomy", {}).get("labels"))
    masks["organs"] = known[masks["organs"]]
    for of_phase in maps.values():
        of_phase["organs"] = known[of_phase["organs"]]
    truth: dict = {
        role: {phase: on(phase, maps[phase][role]) for phase in PHASES}
        for role in ("organs", "tumor", "nodes", "confounders")
    }
    truth["field"] = motion.field(drawn.breath, drawn.exam["grids"]["venous"]["axes"])
    truth["record"] = facts
    return Patient(
        patient=row["patient"],
        arterial=scans["arterial"],
        venous=scans["venous"],
        organs=on(mask_phase, masks["organs"]),
        tumor=on(mask_phase, masks["tumor"]),
        lymph_nodes=on(mask_phase, masks["lymph_nodes"]),
        truth=truth,
    )


def _painted(drawn: Scene, phase: str) -> Canvas:
    """The organs and vessels of one phase."""
    axes = drawn.exam["grids"][phase]["axes"]
    anatomical = (
        motion.anatomy_from_venous(drawn.bend, axes)
        if phase == "venous"
        else motion.anatomy_from_arterial(drawn.bend, drawn.breath, axes)
    )
    canvas = Canvas(anatomical, axes)
    painting.paint(canvas, drawn.anatomy)
    painting.paint_arteries(canvas, drawn.anatomy)
    return canvas


def _compose(drawn, canvas, phase):
    """The image in HU before the scanner, and the maps of truth (uint8, z, y, x)."""
    table = t.hu(phase, drawn.exam["timing"], drawn.random("contrast"))
    image = table[canvas.tissue]
    maps = {role: np.zeros(image.shape, np.uint8) for role in ("tumor", "nodes", "confounders")}
    box, mask = lesions.lay(canvas, image, drawn.tumor, phase)
    maps["tumor"][box][mask] = 1
    maps["organs"] = t.LABEL_OF[canvas.tissue]
    # The organ includes its tumor.
    maps["organs"][maps["tumor"] > 0] = cancers.of(drawn.settings).organ
    for body, kind in drawn.confounders:
        box, mask = lesions.lay(canvas, image, body, phase)
        maps["confounders"][box][mask] = kind
    for number, (body, _) in enumerate(drawn.nodes, start=1):
        box, mask = lesions.lay(canvas, image, body, phase)
        maps["nodes"][box][mask] = number
        maps["tumor"][box][mask] = 0
    return image, maps
