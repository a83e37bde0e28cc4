"""One simulated patient before any image: what there is, and where."""

from dataclasses import dataclass, replace

import numpy as np

from nodestage.simulator import anatomy as anatomies
from nodestage.simulator import cancers, draws, lesions, motion, positions, scanner
from nodestage.simulator import tissue as t
from nodestage.simulator.latents import latent_draws
from nodestage.simulator.shapes import Canvas

MAX_OF_A_KIND = 6  # confounders in range; more would find no free space


@dataclass(frozen=True)
class Scene:
    """All that is drawn of one patient.

    Attributes
    ----------
    seed, row, settings : as in `patient.simulate`
    latent : status, cues and oracle, from `latents.latent_draws`
    anatomy : organs and vessels
    bend, breath : the patient's variation, and the motion between the phases
    exam : what the scanner does, from `scanner.setup`
    tumor : Body, at `location`
    nodes : list of (Body, dict of what it is), empty until `placed`
    confounders : list of (Body, kind), likewise
    """

    seed: int
    row: dict
    settings: dict
    latent: dict
    anatomy: anatomies.Anatomy
    bend: motion.Warp
    breath: motion.Warp
    exam: dict
    tumor: lesions.Body
    location: str
    nodes: tuple = ()
    confounders: tuple = ()

    @property
    def center(self) -> dict:
        """The settings of the patient's center."""
        return self.settings["centers"][self.row["center"]]

    def random(self, purpose: str) -> np.random.Generator:
        """The patient's random numbers for one purpose."""
        return draws.stream(self.seed, self.row["patient"], purpose)


def draw(seed: int, row: dict, settings: dict) -> Scene:
    """Draw everything but where nodes and confounders lie, which depends on the painted organs."""

    def random(purpose):
        return draws.stream(seed, row["patient"], purpose)

    latent = latent_draws(seed, row, settings)
    anatomy = anatomies.draw(random("anatomy"), settings)
    center = settings["centers"][row["center"]]
    cancer = cancers.of(settings)
    tumor, location = lesions.tumor(random("tumor"), anatomy, row, latent["tumor_cue"], cancer)
    return Scene(
        seed,
        row,
        settings,
        latent,
        anatomy,
        motion.variation(random("variation"), settings["scale"]),
        motion.between_phases(random("motion"), settings),
        scanner.setup(random("exam"), settings, center, latent["positive"]),
        tumor,
        location,
    )


def placed(scene: Scene, canvas: Canvas) -> Scene:
    """The scene with nodes, then near and far confounders, in the free space of the venous phase.

    canvas : the painted organs of the venous phase
    """
    tumor, spacing = scene.tumor, scene.exam["grids"]["venous"]["spacing"]
    labels = t.LABEL_OF[canvas.tissue]
    box, radius = canvas.ellipsoid_radius(tumor.center, tumor.axes, tumor.turn)
    cancer = cancers.of(scene.settings)
    labels[box][(radius < 1) & np.isin(canvas.tissue[box], tumor.material.over)] = cancer.organ
    space = positions.FreeSpace(canvas, labels, spacing, cancer.shares)
    space.take(tumor.center, float(np.min(tumor.axes)))
    # In this order: what comes first takes its space first.
    nodes = tuple(_nodes(scene, space))
    confounders = (*_near(scene, space), *_far(scene, space))
    return replace(scene, nodes=nodes, confounders=confounders)


def _nodes(scene, space):
    """(Body, facts) of each node."""
    random = scene.random("node places")
    for facts in scene.latent["nodes"]:
        outside = bool(random.random() < scene.settings["nodes"]["outside"])
        center = space.node(random, _radius(facts["volume_mm3"]), outside)
        node, necrotic = lesions.node(random, center, facts["volume_mm3"], facts["appearance"])
        yield node, {**facts, "outside": outside, "necrotic": necrotic}


def _near(scene, space):
    """(Body, kind) of each confounder in range."""
    random = scene.random("near confounders")
    kinds = near_kinds(random, scene.settings["near_confounders"])
    vein = tuple(float(t.HU_OF[phase][t.VEIN]) for phase in ("arterial", "venous"))
    for kind in kinds:
        beside = (t.AORTA, t.TC_SA, t.SMA) if kind == lesions.GANGLION else None
        center = space.node(random, 5.5, False, beside)
        yield lesions.near_confounder(random, kind, center, vein), kind


def near_kinds(random: np.random.Generator, mean: float) -> list[int]:
    """The kinds of one patient's confounders in range, in random order.

    The celiac ganglia are two; each is thick enough to pass for a node in half of the patients,
    where `mean` is 3. Of the other confounders three in five are sections of veins, the rest pieces
    of bowel. They occur independently of one another: Poisson, at most `MAX_OF_A_KIND`.

    Parameters
    ----------
    random : random numbers of this purpose
    mean : number per patient, on average (less a little, by the maximum)
    """
    shown = min(mean / 6, 1.0)
    others = mean - 2 * shown
    counts = {
        lesions.VEIN: random.poisson(0.6 * others),
        lesions.BOWEL: random.poisson(0.4 * others),
        lesions.GANGLION: random.binomial(2, shown),
    }
    kinds = [kind for kind, n in counts.items() for _ in range(min(int(n), MAX_OF_A_KIND))]
    return [kinds[i] for i in random.permutation(len(kinds))]


def _far(scene, space):
    """(Body, kind) of each confounder out of range or inside an organ."""
    random = scene.random("far confounders")
    for number in range(scene.settings["far_confounders"]):
        volume = float(np.exp(random.normal(np.log(350), 0.6)))
        volume = min(max(volume, 100.0), 1500.0)
        # Some look like positive nodes, most like negative ones: only the position is another.
        appearance = random.normal() + scene.settings["node_effect"] * (random.random() < 0.3)
        center = space.far(random, _radius(volume)) if number % 2 == 0 else None
        kind, over = lesions.OUTSIDE, (t.FAT, t.SKIN_FAT, t.MUSCLE, t.LIVER)
        if center is None:
            volume = min(volume, 600.0)  # so that all of it lies deep
            center, over = positions.inside_organ(random, scene.anatomy, space, _radius(volume))
            kind = lesions.INSIDE
        yield lesions.node(random, center, volume, appearance, over)[0], kind


def _radius(volume):
    return float((volume * 3 / (4 * np.pi)) ** (1 / 3))
