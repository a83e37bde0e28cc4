"""Probabilities of instances, and the class-aware mask from them."""

import numpy as np
import torch

from nodestage.core import devices, volumes
from nodestage.core.instances import is_positive
from nodestage.identification.crops import crops, normalised, positives_of
from nodestage.identification.network import IdentificationNetwork
from nodestage.lymph_nodes.images import Images
from nodestage.lymph_nodes.instances import components
from nodestage.lymph_nodes.network import build
from nodestage.nnunet import cases

NEGATIVE, POSITIVE = 1, 2


def classify(model, name, images, instances, threads=1, device=None):
    """Probability of being positive, float64 (n,), of each instance in the order of its number.

    Parameters
    ----------
    model : a fold's model, from `training.train_fold`
    name : plain, attention, inner0, …
    images : Images
    instances : integer array (z, y, x), numbered from 1 without gaps
    """
    exported = model["networks"][name]
    count = int(instances.max(initial=0))
    if not count or exported["constant"] is not None:
        return np.full(count, np.nan if exported["constant"] is None else exported["constant"])
    cases.check_spacing(images.patient, images.spacing, exported["plans"])
    torch.set_num_threads(threads)
    device = devices.chosen(device)
    network = _load(exported).to(device)
    channels = [images.arterial, images.venous, images.attention]
    cut, inside = crops(
        normalised(channels, exported["plans"]), instances, model["settings"]["crop"]
    )
    odds = _log_odds(network, cut, inside, model["settings"]["batch_size"], device)
    return torch.sigmoid(odds + exported["shift"]).numpy()


def on_ground_truth(model, name, patients, threads=1, device=None):
    """Rows of `patient, instance, positive, p_positive` of annotated instances (Table IV).

    Parameters
    ----------
    patients : {patient: {arterial, venous, map, lymph_nodes}}, paths of the test patients that
        are annotated
    """
    rows = []
    for patient in sorted(patients):
        paths = patients[patient]
        mask = volumes.read(paths["lymph_nodes"])
        channels = (volumes.read(paths[channel]).array for channel in ("arterial", "venous", "map"))
        instances = components(mask.array, mask.spacing)
        positive = positives_of(mask.array, instances)
        images = Images(*channels, mask.spacing, patient)
        probabilities = classify(model, name, images, instances, threads, device)
        rows += [
            {"patient": patient, "instance": i, "positive": int(truth), "p_positive": float(p)}
            for i, (truth, p) in enumerate(zip(positive, probabilities, strict=True), start=1)
        ]
    return rows


def class_aware(instances, p_positive):
    """Mask with 1 in negative and 2 in positive instances, uint8 (z, y, x)."""
    positive = is_positive(np.asarray(p_positive))
    values = np.concatenate([[0], np.where(positive, POSITIVE, NEGATIVE)]).astype(np.uint8)
    return values[instances]


def _load(exported):
    backbone = build(exported["plans"], exported["dataset_json"])
    network = IdentificationNetwork(backbone)
    network.load_state_dict(exported["weights"])
    return network.eval()


def _log_odds(network, images, inside, batch_size, device):
    """The network's log odds of positive, float64 tensor (n,), on the CPU."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), batch_size):
            part = slice(start, start + batch_size)
            logits = network(
                torch.from_numpy(images[part]).to(device),
                torch.from_numpy(inside[part].astype(np.float32)).to(device),
            )
            negative, positive = logits.double().T
            parts.append((positive - negative).cpu())
    return torch.cat(parts)
