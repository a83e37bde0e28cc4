"""Lymph-node instances of one patient, by one network of a fold."""

import math

import numpy as np

from nodestage.lymph_nodes.instances import components
from nodestage.lymph_nodes.network import build
from nodestage.lymph_nodes.variants import SMALLEST_ATTENTION, variant
from nodestage.nnunet import prediction


def predict(
    model, name, arterial, venous, attention, spacing, settings, threads=1, device="cpu", patient=""
):
    """Lymph-node instances, uint16 (z, y, x), numbered from 1; 0 is background.

    The attention network runs only windows that hold attention; elsewhere is background. No
    other variant skips anything. Instances are 26-connected components, those below
    `min_volume_mm3` left out.

    Parameters
    ----------
    model : a fold's model, from `training.train_fold`
    name : plain, attention, inner0, … (which may measure a patient: `instances.networks_for`)
    arterial, venous : int16 arrays (z, y, x), HU, on the study grid
    attention : float array (z, y, x) in [0, 1]
    spacing : (z, y, x), mm
    settings : `lymph_nodes` of the config: `min_volume_mm3`, `threshold`, `step_size`, `mirror`
    """
    mask = probable(
        model, name, arterial, venous, attention, spacing, settings, threads, device, patient
    )
    return components(mask, spacing, settings.get("min_volume_mm3", 0.0))


def probable(
    model, name, arterial, venous, attention, spacing, settings, threads=1, device="cpu", patient=""
):
    """Where the network's probability of a lymph node exceeds the threshold, bool (z, y, x)."""
    exported = model["networks"][name]
    attention = np.where(attention < SMALLEST_ATTENTION, 0, attention)
    logits = prediction.predict_logits(
        prediction.load(exported, build),
        [arterial, venous, attention],
        spacing,
        exported,
        where=attention > 0 if variant(name).attention else None,
        step_size=settings.get("step_size", 0.5),
        mirror=settings.get("mirror", False),
        threads=threads,
        device=device,
        patient=patient,
    )
    threshold = settings.get("threshold", 0.5)
    # The softmax of two classes exceeds the threshold where their logits lie this far apart.
    return (logits[1] - logits[0] > math.log(threshold / (1 - threshold))).numpy()
