"""Small patients whose nodes are easy to see: bright balls near a vessel, decoys far from it."""

import functools
import tempfile
from pathlib import Path

import numpy as np

from nodestage.core import volumes

SHAPE, SPACING = (32, 48, 48), (2.5, 2.0, 2.0)

# Networks that see a few patches: enough to ask who learned from whom.
TINY = {
    "variants": ["plain", "attention"],
    "alpha": 0.5,
    "beta": 1.5,
    "choose": "best",
    "threshold": 0.5,
    "min_volume_mm3": 0,
    "network": {
        "patch_size": [16, 24, 24],
        "features": [4, 8, 8],
        "batch_size": 2,
        "epochs": 2,
        "iterations_per_epoch": 3,
        "validation_iterations": 1,
        "augmentation": "light",
    },
}


def learning(**more):
    """Settings under which the attention network learns its phantom in some seconds."""
    network = {**TINY["network"], "epochs": 4, "iterations_per_epoch": 40, "initial_lr": 0.02}
    return {**TINY, "variants": ["attention"], "choose": "last", "network": network, **more}


def arrays(seed, nodes=3, decoys=4, positive=0.5):
    """Arterial, venous, map and lymph nodes of one patient, (z, y, x)."""
    draw = np.random.default_rng(seed)
    grid = np.moveaxis(np.indices(SHAPE), 0, -1) * SPACING
    center = np.array(SHAPE) * SPACING / 2 + [0, *draw.uniform(-6, 6, 2)]
    beside = np.sqrt(((grid - center)[..., 1:] ** 2).sum(-1))
    attention = np.clip(1 - np.maximum(4 - beside, beside - 18) / 3, 0, 1).astype(np.float32)
    attention[:3] = attention[-3:] = 0
    arterial, venous = draw.normal(40, 10, SHAPE), draw.normal(60, 10, SHAPE)
    mask = np.zeros(SHAPE, np.uint8)
    for i in range(nodes + decoys):
        wanted = attention == 1 if i < nodes else (attention == 0) & (beside > 30)
        distance = np.sqrt(((grid - draw.choice(grid[wanted])) ** 2).sum(-1))
        ball = distance < draw.uniform(5, 7)
        arterial[ball] += 60
        venous[ball] += 80
        if i < nodes:
            is_positive = draw.random() < positive
            mask[ball] = 2 if is_positive else 1
            if is_positive:  # a necrotic center
                arterial[distance < 3.5] -= 60
                venous[distance < 3.5] -= 80
    return arterial.astype(np.int16), venous.astype(np.int16), attention, mask


def write(folder, patient, found):
    """The four volumes of a patient as files; their paths as a training wants them."""
    paths = {}
    for name, array in zip(("arterial", "venous", "map", "lymph_nodes"), found, strict=True):
        paths[name] = str(Path(folder, f"{patient}.{name}.nii.gz"))
        volumes.write_volume(paths[name], volumes.Volume(array, SPACING))
    return paths


@functools.cache
def cohort(n=8):
    """{patient: paths} of patients that every test may read and none may change."""
    folder = Path(tempfile.mkdtemp(prefix="phantom"), "patients")
    return {f"P{i}": write(folder, f"P{i}", arrays(i)) for i in range(n)}


@functools.cache
def tiny_fold():
    """A fold with all its networks: train P0–P3 in two inner parts, validation P4."""
    from nodestage.lymph_nodes.training import train_fold

    folder = Path(tempfile.mkdtemp(prefix="fold"))
    train_fold(fold(), TINY, run(folder))
    return folder / "model.pt"


def fold(patients=None, split=None):
    """A fold of the cohort, or of other patients or another split (train, validation, inner)."""
    from nodestage.lymph_nodes.crossfitting import Fold

    return Fold(cohort() if patients is None else patients, *(split or SPLIT))


def run(folder, **changed):
    """A training in `folder`: model.pt, work, seed 1."""
    from nodestage.core.run import Run

    files = {"output": Path(folder, "model.pt"), "work": Path(folder, "work")}
    return Run(**{"seed": 1, **files, **changed})


def images(patient):
    """The phases and the map of a patient of the cohort."""
    from nodestage.lymph_nodes.images import Images

    paths = (cohort()[patient][channel] for channel in ("arterial", "venous", "map"))
    return Images(*(volumes.read(path).array for path in paths), SPACING, patient)


SPLIT = (["P0", "P1", "P2", "P3"], ["P4"], [["P0", "P1"], ["P2", "P3"]])
