"""Organ masks that no patient can have, by volume and HU, are refused.

What is merely unusual is flagged on the quality page: `plausible`.
"""

import functools
from pathlib import Path

import numpy as np

from nodestage.cohort.faults import IntakeError

LIMITS = Path(__file__).with_name("possible.yaml")
# Of what is drawn by hand; far beyond disease, as in possible.yaml.
DRAWN = {
    "tumor": {"max_ml": 5000, "hu": [-300, 1000]},
    "negative": {"max_ml": 2000, "hu": [-300, 1000]},
    "positive": {"max_ml": 2000, "hu": [-300, 1000]},
}
MOST = 0.5  # of an image that a tumor or lymph nodes may fill
MIN_VOXELS = 30  # fewer have no median worth judging


def check(labels, image, spacing, known, label_system=None):
    """Raise an `IntakeError` that names every organ which can't be one.

    Parameters
    ----------
    labels : our ids (z, y, x)
    image : HU (z, y, x), of the CT that they were drawn on
    spacing : mm (z, y, x)
    known : {class: our id}
    label_system : as the center's config gives it, or anything true where segments have names; for the hint
    """
    faults = [
        text
        for name, voxels in _organs(labels, image, known)
        for text in _faults(name, voxels, float(np.prod(spacing)) / 1000)
    ]
    if not faults:
        return
    if set(known) <= set(DRAWN):
        raise IntakeError(f"{'; '.join(faults)}. Was it drawn on this image? Give its own mask")
    hint = (
        "Correct the center's `label_system`, or its `segments` where these have names"
        if label_system
        else "Are these another tool's class ids? Give the center its `label_system` (docs/intake.md has "
        "TotalSegmentator's)"
    )
    raise IntakeError(
        f"{'; '.join(faults)}. {hint}. An organ that is right all the same: take it out of the mask"
    )


def share(labels):
    """Share of the voxels that are marked."""
    return float(np.count_nonzero(labels) / max(1, labels.size))


def check_share(labels):
    """Raise where tumor or lymph nodes fill most of the voxels: a mask turned inside out, or of the body."""
    if share(labels) > MOST:
        raise IntakeError(
            f"{share(labels):.0%} of its voxels are marked: turned inside out, or a mask of the body. Mark what was drawn, with 0 "
            "for all else"
        )


def _organs(labels, image, known):
    """(class, its HU) of each organ that is there, by its box: a whole-image mask a class is slow."""
    from scipy import ndimage

    boxes = ndimage.find_objects(labels)
    for name, number in known.items():
        box = boxes[number - 1] if number <= len(boxes) else None
        if box is not None:
            yield name, image[box][labels[box] == number]


def _faults(name, voxels, voxel_ml):
    limits = _limits().get(name) or DRAWN.get(name, {})
    volume = len(voxels) * voxel_ml
    if volume > limits.get("max_ml", np.inf):
        yield f"{name} measures {volume:.0f} ml (at most {limits['max_ml']} is plausible)"
    low, high = limits.get("hu", (-np.inf, np.inf))
    if len(voxels) >= MIN_VOXELS and not low <= np.median(voxels) <= high:
        yield f"{name} has a median of {np.median(voxels):.0f} HU ({low} to {high} are plausible)"


@functools.lru_cache(maxsize=1)
def _limits():
    import yaml

    return yaml.safe_load(LIMITS.read_text(encoding="utf-8"))
