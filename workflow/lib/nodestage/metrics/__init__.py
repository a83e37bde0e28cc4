"""How well masks, instances and surfaces agree with the truth.

Arrays are (z, y, x); spacing is in mm in that order. A measure that is not defined is None,
never 0 and never NaN, so that no mean can take it in unseen. Conventions:

* Dice, recall, precision of two empty masks: undefined, the patient is left out and counted.
  Truth empty, prediction not: Dice, precision and F are 0, recall is undefined.
  Prediction empty, truth not: all are 0.
* Instances are 26-connected components of one label value; a match is one-to-one (Hungarian)
  at IoU >= 0.3.
* A surface voxel belongs to the mask and has one of its 26 neighbours outside the mask; what
  lies beyond the image counts as neither, as in SimpleITK's SignedMaurerDistanceMap.

Names load on first use. The library and the scripts import the module that holds them: a change
of FROC reruns no training of a network that only asks what an instance is.
"""

import importlib

_HOME = {
    "Matches": "counts",
    "Overlap": "counts",
    "rates": "counts",
    "dice": "voxels",
    "overlap": "voxels",
    "precision": "voxels",
    "recall": "voxels",
    "voxel_counts": "voxels",
    "SurfaceDistances": "surfaces",
    "evaluate_segmentation": "surfaces",
    "surface_distances": "surfaces",
    "label_instances": "instances",
    "match_instances": "instances",
    "matched_pairs": "instances",
    "short_axis_class": "short_axis",
    "short_axis_mm": "short_axis",
    "PLACES": "lymph_nodes",
    "Context": "lymph_nodes",
    "evaluate_lymph_nodes": "lymph_nodes",
    "place_of": "lymph_nodes",
    "MEASURES": "patients",
    "patient_mean": "patients",
    "pooled": "patients",
    "confidence_of": "detection",
    "false_positives_by_place": "detection",
    "froc": "detection",
    "group_of": "detection",
    "recall_by": "detection",
}
__all__ = sorted(_HOME)


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
