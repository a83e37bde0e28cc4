"""Lymph-node instances of one patient, by one network of a fold."""

import math

import numpy as np

from nodestage.lymph_nodes.instances import components
from nodestage.lymph_nodes.network import build
from nodestage.lymph_nodes.variants import SMALLEST_ATTENTION, variant
from nodestage.nnunet import cropping, prediction


def predict(model, name, images, settings, threads=1, device=None):
    """Lymph-node instances of one patient, and the network's confidence in each.

    The attention network runs only windows with attention, and with `min_attention_share` only those with
    a larger share of the weight at an attended voxel; elsewhere is background. With `windows: attention` the windows cover the
    box around all attention. Every other variant runs all windows over the body. Instances are 26-connected
    components, those below `min_volume_mm3` left out.

    Parameters
    ----------
    model : a fold's model, from `training.train_fold`
    name : plain, attention, inner0, … (which may measure a patient: `crossfitting.measured_by`)
    images : Images
    settings : `lymph_nodes` of the config: `min_volume_mm3`, `threshold`, `windows`,
        `min_attention_share`, `step_size`, `mirror`

    Returns
    -------
    instances : uint16 (z, y, x), numbered from 1; 0 is background
    confidence : {instance: highest probability of a lymph node in it}
    """
    margin = log_odds(model, name, images, settings, threads, device)
    instances = above_threshold(margin, images.spacing, settings)
    return instances, highest_probability(instances, margin)


def above_threshold(log_odds, spacing, settings):
    """Instances, uint16 (z, y, x), of what exceeds `threshold`, from log odds; as `predict` returns them."""
    threshold = settings.get("threshold", 0.5)
    mask = log_odds > math.log(threshold / (1 - threshold))
    return components(mask, spacing, settings.get("min_volume_mm3", 0.0))


def log_odds(model, name, images, settings, threads=1, device=None):
    """The network's log odds of a lymph node, float (z, y, x); parameters as `predict`."""
    exported = model["networks"][name]
    attention = np.where(images.attention < SMALLEST_ATTENTION, 0, images.attention)
    channels = [images.arterial, images.venous, attention]
    if variant(name).attention:
        attended, box = attention > 0, cropping.whole(attention.shape)
    else:
        attended, box = None, cropping.body_box(channels[:2], images.spacing)
    inside_box = prediction.predict_log_odds(
        prediction.load(exported, build),
        [channel[box] for channel in channels],
        images.spacing,
        exported,
        where=attended,
        around=settings.get("windows") == "attention",
        min_attention_share=settings.get("min_attention_share", 0.0),
        step_size=settings.get("step_size", 0.5),
        mirror=settings.get("mirror", False),
        threads=threads,
        device=device,
        patient=images.patient,
    )
    return cropping.restored(inside_box, box, attention.shape, outside=-np.inf)


def highest_probability(instances, log_odds):
    """{instance: highest probability of its voxels}, from log odds (z, y, x)."""
    inside = instances > 0
    highest = np.full(int(instances.max(initial=0)) + 1, -np.inf)
    np.maximum.at(highest, instances[inside], log_odds[inside])
    return {
        number: float(1 / (1 + np.exp(-highest[number])))
        for number in range(1, len(highest))
        if np.isfinite(highest[number])
    }
