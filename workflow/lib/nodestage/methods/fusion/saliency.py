"""Which pixels of a tumor slice a network's score depends on, for a radiologist.

A pixel's part in the score is, to first order, its gradient times how far it lies from the mean
of its slice: the loss of score if the pixel had the slice's mean. It shows
which pixels the score depends on, not that they are a sign of metastasis.
"""

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from nodestage.methods.fusion import inputs, training

SMOOTH = 1 / 45
"""SD of the smoothing, of a slice's side: gradients of single pixels are noisy."""


def pixel_parts(network, images, masks, volume, settings):
    """Each pixel's part in the log odds of metastasis, by view.

    Parameters
    ----------
    network : PatientNetwork in evaluation mode, of two dimensions
    images : int16 tensor (views, 2, y, x), HU, arterial and venous
    masks : tensor (views, 1, y, x), 0 or 1
    volume : float tensor (), mm3, or (numbers,); not used by a network without Eq. 7
    settings : the network's, with `windows_hu` and `third_channel`

    Returns
    -------
    parts : float32 array (views, y, x), above 0 where a pixel raises the score; both phases
        together, the mask's channel left out
    scores : float32 array (views,), probability of metastasis of each view
    """
    masks = masks.float()
    phases = inputs.scaled(images, settings["windows_hu"]).requires_grad_(True)
    image = inputs.channels(phases, masks, settings["third_channel"])
    logits = network(image, masks, volume.expand(len(images), *volume.shape))
    (gradient,) = torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), phases)
    phases = phases.detach()
    away = phases - phases.mean((2, 3), keepdim=True)
    scores = functional.softmax(logits.detach(), dim=1)[:, 1]
    return (gradient * away).sum(1).numpy(), scores.numpy()


def heat(parts):
    """How much each position moved the score, up or down: smoothed, its largest value 1.

    Parameters
    ----------
    parts : (y, x), one view of `pixel_parts`

    Returns
    -------
    float32 array (y, x) in [0, 1]; 0 everywhere where no pixel has a part
    """
    smoothed = ndimage.gaussian_filter(np.abs(parts), SMOOTH * parts.shape[-1])
    return (smoothed / (smoothed.max() or 1.0)).astype(np.float32)


def explain(method, patients, threshold=None, calls=None):
    """The most influential slice for a patient's call by one network, and the saliency in it.

    Parameters
    ----------
    method : a fitted `DeepMethod` of two dimensions (its `state` is set)
    patients : Patients
    threshold : above this score the network's call is positive; None takes 0.5
    calls : {patient: bool}, the calls that the report shows; for other patients the network's

    Returns
    -------
    {patient: dict} of those whom the method can score:
        image : int16 (2, y, x), HU, arterial and venous
        mask : uint8 (y, x)
        map : float32 (y, x) in [0, 1], see `heat`
        facts : `view` (0 to 8), `plane`, `positive` (the call), `own_call` (the network's), `score`
            (mean of the views), `view_score`, `without_nodes` (the score were there no positive node; None for a
            network that doesn't see the nodes), `share_inside` (of the map, inside the mask),
            `source` of the mask (tumor, or the organ that holds it)
    """
    network = method.network()
    threshold = 0.5 if threshold is None else threshold
    names, values, _ = method.gather(patients)
    explained = {}
    for name, (view, *volume) in zip(names, values, strict=True):
        images, masks = view
        volume = torch.tensor(volume[0] if volume else 0.0)
        parts, scores = pixel_parts(network, images, masks, volume, method.settings)
        score = float(scores.mean())
        network_call = score > threshold
        positive = (calls or {}).get(name, network_call)
        chosen = int(scores.argmax() if positive else scores.argmin())
        drawn, mask = heat(parts[chosen]), masks[chosen, 0].numpy()
        about = patients.views(name)
        facts = {
            "view": chosen,
            "plane": int(about["planes"][chosen]),
            "positive": positive,
            "own_call": network_call,
            "score": score,
            "view_score": float(scores[chosen]),
            "without_nodes": None,
            "share_inside": float(drawn[mask > 0].sum() / (drawn.sum() or 1.0)),
            "source": about["source"],
        }
        if method.volume_features:
            without_nodes = training.Views(
                images[None], masks[None], torch.zeros(1, method.volume_features)
            )
            (facts["without_nodes"],) = training.predict(network, without_nodes, method.settings)
        explained[name] = {
            "image": images[chosen].numpy(),
            "mask": mask.astype(np.uint8),
            "map": drawn,
            "facts": facts,
        }
    return explained
