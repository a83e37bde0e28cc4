"""The most influential slice for a call, from the tumor network to the gallery.

The result of `fusion.saliency.explain` is kept in one file per center, and becomes one more view of
a patient's panel. Neither torch nor a network is needed to read it.
"""

import json

import numpy as np

from nodestage.core import files
from nodestage.tumor import slices

SIDES = {"axial": ("R", "L", "A"), "coronal": ("R", "L", "H"), "sagittal": ("A", "P", "H")}
"""Letters at the left, right and upper edge of a picture, by its plane."""


def write(path, explained):
    """Write {patient: result of `explain`} as one .npz (no pickle inside)."""
    arrays = {}
    for patient, one in explained.items():
        arrays[f"{patient}/image"] = np.asarray(one["image"], np.int16)
        arrays[f"{patient}/mask"] = np.asarray(one["mask"], np.uint8)
        arrays[f"{patient}/map"] = np.rint(255 * one["map"]).astype(np.uint8)
        arrays[f"{patient}/facts"] = np.asarray(json.dumps(one["facts"], sort_keys=True))
    with files.whole(path) as temporary, open(temporary, "wb") as handle:
        np.savez_compressed(handle, **arrays)


def read(path):
    """{patient: dict} of a file that `write` made, the map in [0, 1]."""
    explained = {}
    for key, array in files.read_arrays(path).items():
        patient, _, part = key.rpartition("/")
        explained.setdefault(patient, {})[part] = array
    for one in explained.values():
        one["facts"] = json.loads(one["facts"].item())
        one["map"] = one["map"].astype(np.float32) / 255
    return explained


def view(explained, tumor, organ, spacing, alone=""):
    """An explained slice as `gallery.patient_panel` takes it.

    Parameters
    ----------
    explained : one patient of `read`
    tumor, organ : bool arrays (z, y, x), of which one was the mask of the views
    spacing : (z, y, x), mm
    alone : the phase of a study that has a single one; both channels hold it

    Returns
    -------
    dict with name, plane, slice (from 1), slices, mm_per_pixel, phases and layers (2D, upright)
    """
    facts = explained["facts"]
    plane = slices.PLANES[facts["plane"]]
    mask = tumor if facts["source"] == "tumor" else organ
    axis, number = slices.largest(mask)[facts["view"]]
    turned = np.array if plane == "axial" else np.flipud  # z grows to the head
    arterial, venous = map(turned, explained["image"])
    layers = {"saliency": turned(explained["map"])}
    if facts["source"] == "tumor":
        layers["tumor"] = turned(explained["mask"])
    return {
        "name": "influential_for" if facts["positive"] else "influential_against",
        "plane": plane,
        "slice": int(number) + 1,
        "slices": mask.shape[axis],
        "mm_per_pixel": spacing[2],
        "phases": {alone: venous} if alone else {"arterial": arterial, "venous": venous},
        "layers": layers,
    }
