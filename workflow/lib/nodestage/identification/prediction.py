"""Probabilities of instances, and the class-aware mask that they make."""

import numpy as np
import torch

from nodestage.core import devices, volumes
from nodestage.core.instances import is_positive
from nodestage.identification.crops import crops, normalised, positives_of
from nodestage.identification.network import IdentificationNetwork
from nodestage.lymph_nodes.instances import components
from nodestage.lymph_nodes.network import build
from nodestage.nnunet import cases

NEGATIVE, POSITIVE = 1, 2


def classify(
    model,
    name,
    arterial,
    venous,
    attention,
    instances,
    spacing,
    threads=1,
    device=None,
    patient="",
):
    """Probability of being positive, float64 (n,), of each instance in the order of its number.

    Parameters
    ----------
    model : a fold's model, from `training.train_fold`
    name : plain, attention, inner0, …
    arterial, venous : int16 arrays (z, y, x), HU, on the study grid
    attention : float array (z, y, x) in [0, 1]
    instances : integer array (z, y, x), numbered from 1 without gaps
    spacing : (z, y, x), mm
    """
    found = model["networks"][name]
    count = int(instances.max(initial=0))
    if not count or found["constant"] is not None:
        return np.full(count, np.nan if found["constant"] is None else found["constant"])
    cases.check_spacing(patient or "the image", spacing, found["plans"])
    torch.set_num_threads(threads)
    device = devices.chosen(device)
    network = _load(found).to(device)
    images = normalised([arterial, venous, attention], found["plans"])
    pictures, inside = crops(images, instances, model["settings"]["crop"])
    batch_size = model["settings"]["batch_size"]
    return _probabilities(network, pictures, inside, found["shift"], batch_size, device)


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
        images = [volumes.read(paths[channel]).array for channel in ("arterial", "venous", "map")]
        instances = components(mask.array, mask.spacing)
        positive = positives_of(mask.array, instances)
        found = classify(
            model, name, *images, instances, mask.spacing, threads, device, patient=patient
        )
        rows += [
            {"patient": patient, "instance": i, "positive": int(truth), "p_positive": float(p)}
            for i, (truth, p) in enumerate(zip(positive, found, strict=True), start=1)
        ]
    return rows


def class_aware(instances, p_positive):
    """Mask with 1 in negative and 2 in positive instances, uint8 (z, y, x)."""
    positive = is_positive(np.asarray(p_positive))
    values = np.concatenate([[0], np.where(positive, POSITIVE, NEGATIVE)]).astype(np.uint8)
    return values[instances]


def _load(found):
    backbone = build(found["plans"], found["dataset_json"])
    network = IdentificationNetwork(backbone)
    network.load_state_dict(found["weights"])
    return network.eval()


def _probabilities(network, pictures, inside, shift, batch_size, device):
    found = []
    with torch.inference_mode():
        for start in range(0, len(pictures), batch_size):
            part = slice(start, start + batch_size)
            logits = network(
                torch.from_numpy(pictures[part]).to(device),
                torch.from_numpy(inside[part].astype(np.float32)).to(device),
            )
            negative, positive = logits.double().T
            found.append(torch.sigmoid(positive - negative + shift).cpu().numpy())
    return np.concatenate(found)
