"""Two small pictures of a patient with the organ labels drawn on, for the page about the images.

The front view is of the venous phase, the axial slice of the registered arterial phase. Labels that
fit the first and not the second show a failed registration; labels that fit neither, a failed
segmentation.
"""

import base64

import numpy as np
from PIL import Image

from nodestage.cohort import plausible
from nodestage.report import gallery

SIDE_PIXELS = 260
BODY_HU = -300
MAX_PATIENTS = 150
"""Patients with pictures, those to look at first; some 25 kB each."""

COLORS = {
    "aorta": "#ff4d5e",
    "portal_splenic_vein": "#5aa9ff",
    "pancreas": "#ffb000",
    "liver": "#c98bff",
}
"""Structures that a reader looks for; the others share one color."""


def tint(structure):
    """The color of a structure's outline."""
    return COLORS.get(structure, gallery.LAYERS["organs"][0])


def pictures(arterial, venous, labels, known, spacing, organ="pancreas"):
    """{plane: JPEG in base64}: coronal of the venous phase, axial of the arterial one.

    Parameters
    ----------
    arterial, venous : HU (z, y, x), canonical orientation
    labels : organ label map on that grid
    known : {structure: id}
    spacing : (z, y, x), mm
    organ : the structure that holds the tumor; both slices show the most of it
    """
    z, y = _slices(venous, labels == known[organ], spacing, organ)
    coronal = (np.flipud(venous[:, y]), np.flipud(labels[:, y]), (spacing[0], spacing[2]))
    axial = (arterial[z], labels[z], spacing[1:])
    return {
        plane: _drawn(cut, organs, known, steps)
        for plane, (cut, organs, steps) in (("coronal", coronal), ("axial", axial))
    }


def _slices(image, inside, spacing, organ):
    """The axial and coronal slice with most of an organ; the body's middle if its label is implausible."""
    ml = float(inside.sum() * np.prod(spacing)) / 1000
    if inside.any() and not plausible.implausible({organ: ml}):
        return int(inside.sum((1, 2)).argmax()), int(inside.sum((0, 2)).argmax())
    body = image > BODY_HU
    if not body.any():
        return image.shape[0] // 2, image.shape[1] // 2
    return image.shape[0] // 2, int(np.average(np.arange(image.shape[1]), weights=body.sum((0, 2))))


def _drawn(cut, organs, known, steps):
    sides = [n * step for n, step in zip(cut.shape, steps, strict=True)]
    height, width = (max(1, round(SIDE_PIXELS * side / max(sides))) for side in sides)
    picture = Image.fromarray(gallery.gray(cut).astype(np.uint8))
    picture = picture.resize((width, height), Image.Resampling.BICUBIC).convert("RGB")
    large = Image.fromarray(organs.astype(np.uint8)).resize(
        (width, height), Image.Resampling.NEAREST
    )
    large, colored = np.asarray(large), np.array(picture)
    for name, number in known.items():
        mask = large == number
        if mask.any():
            inside = mask.copy()
            for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
                inside &= np.roll(mask, step, axis)
            colored[mask & ~inside] = _rgb(tint(name))
    return base64.b64encode(gallery.compressed(Image.fromarray(colored), 75)).decode("ascii")


def _rgb(color):
    return tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))
