"""Training on masks of which each shows only some of the classes.

Centers draw different structures. A voxel that such a mask leaves empty is background or belongs to a
structure that was not drawn there: what a network predicts for those structures is ignored in
that sample, not counted as wrong. Their probability is added to the background's before any loss.
"""

import hashlib
import json
from collections.abc import Collection, Mapping

import torch
from torch import nn
from torch.nn import functional

from nodestage.nnunet.trainer import DeepSupervisionWrapper, Trainer


def merged(logits, hidden):
    """Logits with the classes that a sample doesn't show joined with its background.

    Parameters
    ----------
    logits : (batch, class, z, y, x), background first
    hidden : bool (batch, class), True where the sample's mask doesn't show the class

    Returns
    -------
    float32 tensor of the same shape; -inf for the hidden classes
    """
    logits = logits.float()
    hidden = hidden.to(logits.device)[(...,) + (None,) * (logits.dim() - 2)]
    first = torch.zeros_like(hidden)
    first[:, 0] = True
    background = logits.masked_fill(~(hidden | first), -torch.inf).logsumexp(1, keepdim=True)
    return torch.where(first, background, logits.masked_fill(hidden, -torch.inf))


class PartialLoss(nn.Module):
    """nnU-Net's cross entropy and Dice, over the classes that each sample shows.

    Parameters
    ----------
    batch_dice : one ratio per class over the whole batch, or one per sample
    smooth : nnU-Net's value

    Attributes
    ----------
    hidden : bool tensor (batch, class), set before each step
    """

    def __init__(self, batch_dice: bool, smooth: float = 1e-5):
        super().__init__()
        self.batch_dice, self.smooth = batch_dice, smooth
        self.hidden: torch.Tensor | None = None

    def forward(self, logits, labels):
        """Loss of logits (batch, class, z, y, x) against labels (batch, 1, z, y, x)."""
        assert self.hidden is not None
        logits = merged(logits, self.hidden)
        shown = ~self.hidden[:, 1:].to(logits.device)
        entropy = functional.cross_entropy(logits, labels[:, 0].long())
        share = torch.softmax(logits, 1)[:, 1:]
        truth = functional.one_hot(labels[:, 0].long(), logits.shape[1]).movedim(-1, 1)[:, 1:]
        axes = tuple(range(2, logits.dim()))
        hit, marked, drawn = ((share * truth).sum(axes), share.sum(axes), truth.sum(axes))
        if self.batch_dice:
            hit, marked, drawn = hit.sum(0), marked.sum(0), drawn.sum(0)
            shown = shown.any(0)
        dice = (2 * hit + self.smooth) / (marked + drawn + self.smooth).clip(1e-8)
        return entropy - dice[shown].mean()


class PartialTrainer(Trainer):
    """The trainer with `PartialLoss`; `of` makes the class for some samples."""

    hidden: Mapping[str, Collection[int]] = {}

    def _build_loss(self):
        loss = super()._build_loss()
        self.partial = PartialLoss(self.configuration_manager.batch_dice)
        if isinstance(loss, DeepSupervisionWrapper):
            loss.loss = self.partial
            return loss
        return self.partial

    def train_step(self, batch):
        """nnU-Net's step, after setting the loss to the samples' hidden classes."""
        self._show(batch["keys"])
        return super().train_step(batch)

    def validation_step(self, batch):
        """Likewise; a class that a sample doesn't show is not counted as a wrong mark there."""
        hidden, network = self._show(batch["keys"]), self.network
        self.network = lambda images: _each(network(images), hidden)
        try:
            return super().validation_step(batch)
        finally:
            self.network = network

    def _show(self, samples):
        classes = self.label_manager.num_segmentation_heads
        self.partial.hidden = torch.tensor(
            [
                [label in self.hidden.get(sample, ()) for label in range(classes)]
                for sample in samples
            ]
        )
        return self.partial.hidden


def _each(outputs, hidden):
    """`merged` of one output, or of each resolution's."""
    if isinstance(outputs, list | tuple):
        return [merged(output, hidden) for output in outputs]
    return merged(outputs, hidden)


def of(shown: Mapping[str, Collection[int]] | None, n_labels: int) -> type[Trainer]:
    """The trainer for samples whose masks show some of the labels.

    Parameters
    ----------
    shown : {sample: labels that its mask shows}; None: all of them
    n_labels : labels 1..n_labels are learned

    Returns
    -------
    `Trainer` itself where every sample shows the same labels: a class that no mask shows is background
    """
    if not shown:
        return Trainer
    every = set().union(*shown.values()) & set(range(1, n_labels + 1))
    hidden = {sample: sorted(every - set(labels)) for sample, labels in shown.items()}
    if not any(hidden.values()):
        return Trainer
    digest = hashlib.sha256(json.dumps(hidden, sort_keys=True).encode()).hexdigest()[:12]
    # The name is part of what a checkpoint must agree on to be used again.
    return type(f"PartialTrainer_{digest}", (PartialTrainer,), {"hidden": hidden})
