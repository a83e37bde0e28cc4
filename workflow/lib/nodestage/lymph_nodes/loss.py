"""Tversky loss (Eq. 3) beside cross entropy, instead of nnU-Net's Dice."""

import torch
from torch import nn


class TverskyLoss(nn.Module):
    """Minus 2 TP / (2 TP + alpha FP + beta FN) of the foreground, from logits.

    Eq. 3 of the paper without its factor 1/|V|, which at full patch size would make the term a
    millionth of the cross entropy. TP is the sum of p1 y1, FP of p1 y0, FN of p0 y1.

    Parameters
    ----------
    alpha, beta : float, weights of false positives and false negatives (0.5 and 1.5 in the paper)
    batch : bool, one ratio over the whole batch, or one a patch and their mean
    smooth : float, keeps a patch without foreground defined; nnU-Net's value

    `forward` takes logits (batch, 2, z, y, x) and labels (batch, 1, z, y, x). `loss_mask` is
    passed by nnU-Net's compound loss; it is None without an ignore label.
    """

    def __init__(self, alpha=0.5, beta=1.5, batch=False, smooth=1e-5):
        super().__init__()
        self.alpha, self.beta, self.batch, self.smooth = alpha, beta, batch, smooth

    def forward(self, logits, labels, loss_mask=None):
        """Loss of logits (B, 2, z, y, x) against labels (B, 1, z, y, x)."""
        # In single precision: half of it cannot hold the sum over a full-size patch.
        foreground = torch.softmax(logits.float(), 1)[:, 1]
        truth = (labels[:, 0] > 0).float()
        if loss_mask is not None:
            foreground, truth = foreground * loss_mask[:, 0], truth * loss_mask[:, 0]
        axes = (0, 1, 2, 3) if self.batch else (1, 2, 3)
        tp = (foreground * truth).sum(axes)
        fp = foreground.sum(axes) - tp
        fn = truth.sum(axes) - tp
        ratio = (2 * tp + self.smooth) / (2 * tp + self.alpha * fp + self.beta * fn + self.smooth)
        return -ratio.mean()
