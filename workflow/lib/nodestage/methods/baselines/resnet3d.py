"""ResNet3D: 3D-ResNet-18 with mask branch over one crop around the tumor."""

import torch
from torch.nn import functional

from nodestage.methods.fusion.deep import DeepMethod


class Method(DeepMethod):
    """The crop, as many voxels for every patient, is brought to `size` (z, y, x)."""

    family = "baselines"
    needs = ("views",)
    dimensions = 3

    def _view(self, views):
        size = tuple(self.settings["size"])
        phases = torch.from_numpy(views["crop"]).float().unsqueeze(0)
        mask = torch.from_numpy(views["crop_mask"]).float()[None, None]
        phases = functional.interpolate(phases, size, mode="trilinear", align_corners=False)
        # A tumor that would fall between the voxels of a coarser grid keeps its nearest voxel.
        mask = functional.adaptive_max_pool3d(mask, size)
        return phases.round().to(torch.int16), mask.to(torch.uint8)
