"""Train a patient network, choose its weights on validation, and score patients with it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from nodestage.core import learning, logs
from nodestage.core.errors import TrainingError
from nodestage.methods.fusion import inputs, weights
from nodestage.methods.fusion.optimizer import OPTIMIZERS, SCHEDULES


@dataclass
class Views:
    """The views of some patients, in memory.

    Attributes
    ----------
    images : int16 tensor (patients, views, 2, [z,] y, x), HU, arterial and venous
    masks : uint8 tensor (patients, views, 1, [z,] y, x)
    volumes : float32 tensor (patients,), mm3, or (patients, numbers); zeros where a network does not use it
    """

    images: torch.Tensor
    masks: torch.Tensor
    volumes: torch.Tensor

    def __len__(self):
        return len(self.images)


def fit(network, train, labels, validation, validation_labels, settings, seed, name):
    """Train `network` in place and leave it with the weights that are kept.

    Parameters
    ----------
    network : PatientNetwork
    train, validation : Views
    labels, validation_labels : int arrays, 1 with metastasis
    settings : see defaults.yaml
    seed : int, for the order, the slices drawn and the augmentation

    Returns
    -------
    history : `step` (whose weights are kept, from 1), `train_loss` and `validation_loss` (one value
        per check; of the training views seen since the check before, of all validation patients),
        `learned` (see `core.learning`; of the training patients under the weights kept)

    With `choose: best` the weights kept have the smallest cross entropy of the patients' averaged
    probabilities on validation (the earliest of equals): with a handful of validation patients an
    AUC has too few values to choose by. With `last`, or without validation patients, they are
    those of the last step.
    """
    generator = torch.Generator().manual_seed(seed)
    labels = torch.as_tensor(np.asarray(labels), dtype=torch.long)
    optimizer = OPTIMIZERS[settings["optimizer"]](
        network.parameters(),
        settings["learning_rate"],
        settings["momentum"],
        settings["weight_decay"],
    )
    steps = settings["steps"]
    checks = {round(steps * (i + 1) / settings["checks"]) for i in range(settings["checks"])}
    history = {"step": steps, "train_loss": [], "validation_loss": []}
    best, best_weights, losses = float("inf"), None, []
    batches = _batches(len(train), settings["patients_per_batch"], generator)
    for step in logs.progress(range(steps), name):
        optimizer.rate = settings["learning_rate"] * SCHEDULES[settings["schedule"]](step / steps)
        losses.append(_step(network, optimizer, train, labels, next(batches), settings, generator))
        if not np.isfinite(losses[-1]):
            raise TrainingError(
                f"{name}: the loss is {losses[-1]} in step {step + 1}. "
                f"Lower `learning_rate` (now {settings['learning_rate']})."
            )
        if step + 1 not in checks:
            continue
        history["train_loss"].append(float(np.mean(losses)))
        losses = []
        if not len(validation):
            continue
        loss = cross_entropy(predict(network, validation, settings), validation_labels)
        history["validation_loss"].append(loss)
        if settings["choose"] == "best" and loss < best:
            best, best_weights = loss, state_of(network)
            history["step"] = step + 1
    if best_weights is not None:
        network.load_state_dict(best_weights)
    scores = predict(network, train, settings)
    history["learned"] = learning.fitted(
        name,
        learning.AUC,
        learning.auc(labels, scores),
        cross_entropy(scores, labels),
        f"Raise `steps` (now {steps}) or `learning_rate` (now {settings['learning_rate']:g}) under "
        f"`methods.{name}.settings`, or let the slices show the tumor in more pixels (`tumor.pixel_mm`)",
    )
    return history


def _batches(count, size, generator):
    """Indices of patients, pass after pass, each pass in an order of its own, without an end.

    A pass is cut into even parts of about `size`: batch norm can't learn from a patient left over.
    """
    while True:
        order = torch.randperm(count, generator=generator)
        yield from order.tensor_split(max(1, round(count / size)))


def _step(network, optimizer, views, labels, batch, settings, generator):
    """One step on a batch of patients; its loss."""
    network.train()
    if settings["freeze"]:
        for layer in weights.LAYERS_TO_FREEZE:
            getattr(network.trunk, layer).eval()
    patients, chosen = _draw_views(batch, views.images.shape[1], settings, generator)
    drawn = inputs.draw(len(patients), settings["augmentation"], generator)
    seen = views.images[patients, chosen], views.masks[patients, chosen]
    logits = logits_of(network, *seen, views.volumes[patients], settings, drawn)
    loss = functional.cross_entropy(logits, labels[patients].to(logits.device))
    loss.backward()
    optimizer.step()
    return loss.item()


def _draw_views(batch, count, settings, generator):
    """Which views of the batch's patients this step sees: indices (patient, view)."""
    wanted = min(settings["views_per_patient"] or count, count)
    chosen = torch.stack([torch.randperm(count, generator=generator)[:wanted] for _ in batch])
    return batch.repeat_interleave(wanted), chosen.flatten()


def logits_of(network, images, masks, volumes, settings, drawn=None):
    """Logits (B, 2) of views, computed where the network is.

    Parameters
    ----------
    images : int16 tensor (B, 2, [z,] y, x), HU, arterial and venous
    masks : tensor (B, 1, [z,] y, x), 0 or 1
    volumes : float32 tensor (B,), mm3, or (B, numbers)
    drawn : augmentation from `inputs.draw`, or None
    """
    device = next(network.parameters()).device
    phases = inputs.scaled(images.to(device), settings["windows_hu"])
    mask = masks.to(device).float()
    if drawn is not None:
        phases, mask = inputs.augment(phases, mask, drawn)
    image = inputs.channels(phases, mask, settings["third_channel"])
    return network(image, mask, volumes.to(device))


@torch.no_grad()
def predict(network, views, settings):
    """Probability of metastasis of each patient, the mean over the views.

    Patients go through one by one, so that no score depends on who else is asked for.
    """
    network.eval()
    scores = []
    for images, masks, volume in zip(views.images, views.masks, views.volumes, strict=True):
        logits = logits_of(
            network, images, masks, volume.expand(len(images), *volume.shape), settings
        )
        scores.append(functional.softmax(logits, dim=1)[:, 1].mean().item())
    return scores


def cross_entropy(scores, labels):
    """Mean cross entropy of probabilities and 0/1 labels."""
    scores = np.clip(scores, 1e-6, 1 - 1e-6)
    labels = np.asarray(labels)
    return float(-np.mean(np.where(labels == 1, np.log(scores), np.log(1 - scores))))


def state_of(network):
    """A copy of the network's weights, on the CPU."""
    return {key: value.detach().cpu().clone() for key, value in network.state_dict().items()}
