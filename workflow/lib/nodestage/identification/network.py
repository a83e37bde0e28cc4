"""A segmentation network with a classification head."""

import torch
from torch import nn


class IdentificationNetwork(nn.Module):
    """Logits of negative and positive, for the instance in the middle of each crop.

    The features are those of the bottleneck, averaged over the crop, beside those in front of
    the finest segmentation head, averaged inside the instance: the node's surroundings and the
    node itself. All of them come from a trained segmentation network and are fine-tuned.

    Parameters
    ----------
    backbone : LymphNodeUNet
    """

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        deep = backbone.encoder.output_channels[-1]
        fine = backbone.decoder.seg_layers[-1].in_channels
        self.head = nn.Linear(deep + fine, 2)

    def forward(self, images, inside):
        """Logits (batch, 2).

        images : float (batch, arterial venous map, z, y, x)
        inside : bool or float (batch, z, y, x), the instance
        """
        bottleneck, fine = self.backbone.features(images)
        inside = inside[:, None].to(fine.dtype)
        voxels = inside.sum((2, 3, 4)).clamp(min=1)
        of_instance = (fine * inside).sum((2, 3, 4)) / voxels
        return self.head(torch.cat([bottleneck.mean((2, 3, 4)), of_instance], 1).float())
