"""The network that classifies a patient from views of the tumor and the node volume."""

import torch
from torch import nn
from torch.nn import functional

from nodestage.methods.fusion.encoding import TextureEncoding
from nodestage.methods.fusion.resnet import ResNet18


class VolumeFeature(nn.Module):
    """FC(BN(V)) of Eq. 7: the lymph-node volume as a vector that is added to F.

    V goes in as it is, in mm3. The batch norm averages its statistics over all batches
    alike (no momentum), since with a momentum the starting values 0 and 1, far from any
    volume, would linger in a short training. Beyond the paper, other numbers of a patient's nodes
    may be added to V (`numbers` 2 or more).

    forward : (B,) mm3, or (B, numbers) -> (B, outputs)
    """

    def __init__(self, outputs, relu=False, numbers=1):
        super().__init__()
        self.bn = nn.BatchNorm1d(numbers, momentum=None)
        self.fc = nn.Linear(numbers, outputs)
        self.relu = relu

    def forward(self, volume):
        """The feature (B, outputs) of volumes (B,) or (B, numbers)."""
        feature = self.fc(self.bn(volume.reshape(len(volume), -1)))
        return functional.relu(feature) if self.relu else feature


class PatientNetwork(nn.Module):
    """ResNet-18 with mask branch, pooled by GAP, TEL or both (Eq. 6), with or without Eq. 7.

    Parameters
    ----------
    pooling : ("gap",), ("tel",) or ("gap", "tel")
    volume_features : how many numbers of the nodes are fused (Eq. 7): 0 none, 1 V
    dimensions : 2 (slices) or 3 (crop; GAP alone)
    tel : options of `TextureEncoding`
    volume_relu : a ReLU after Eq. 7's FC
    width : channels of conv1; 64 in the paper's ResNet-18

    forward : image (B, 3, ...), mask (B, 1, ...), volume (B,), (B, numbers) or None -> logits (B, 2)
    """

    def __init__(
        self, pooling, volume_features=0, dimensions=2, tel=None, volume_relu=False, width=64
    ):
        super().__init__()
        if dimensions == 3 and tuple(pooling) != ("gap",):
            raise ValueError("texture encoding is two-dimensional")
        self.trunk = ResNet18(dimensions, width)
        channels = 8 * width  # of layer4
        self.with_gap = "gap" in pooling
        self.tel = None
        size = channels if self.with_gap else 0
        if "tel" in pooling:
            self.tel = TextureEncoding(channels, **(tel or {}))
            size += self.tel.codewords.numel()
        self.volume = VolumeFeature(size, volume_relu, volume_features) if volume_features else None
        self.head = nn.Sequential(nn.Linear(size, 64), nn.ReLU(inplace=True), nn.Linear(64, 2))

    def forward(self, image, mask, volume=None):
        """Logits (B, 2) of views."""
        feature = self.features(image, mask)
        if self.volume is not None:
            feature = feature + self.volume(volume)
        return self.head(feature)

    def features(self, image, mask):
        """F of Eq. 6, (B, 512 or 1024) at width 64."""
        layer4 = self.trunk(image, mask)
        parts = []
        if self.with_gap:
            parts.append(layer4.flatten(2).mean(2))
        if self.tel is not None:
            parts.append(self.tel(layer4, mask))
        return torch.cat(parts, dim=1)
