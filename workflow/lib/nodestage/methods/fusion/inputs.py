"""From HU and mask to what a network sees; augmentation that moves both alike.

Tensors are (B, channels, [z,] y, x).
"""

import math

import torch
from torch.nn import functional

# Of ImageNet, and of the published Kinetics/MiT 3D network, on a 0-1 scale.
NORMALIZATION = {
    2: ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    3: ((0.4345, 0.4051, 0.3775), (0.2768, 0.2713, 0.2737)),
}


def scaled(images, windows):
    """HU to 0-1 by each phase's window.

    Parameters
    ----------
    images : (B, 2, ...), HU, arterial and venous
    windows : {"arterial": (low, high), "venous": (low, high)}, HU
    """
    bounds = [windows["arterial"], windows["venous"]]
    bounds = torch.tensor(bounds, dtype=torch.float32, device=images.device)
    shape = (1, 2) + (1,) * (images.ndim - 2)
    low, high = bounds[:, 0].reshape(shape), bounds[:, 1].reshape(shape)
    return ((images.float() - low) / (high - low)).clamp(0, 1)


def channels(phases, mask, third="mask"):
    """Three normalized channels: arterial, venous, and the mask or the phases' mean."""
    last = mask if third == "mask" else phases.mean(1, keepdim=True)
    image = torch.cat([phases, last], dim=1)
    mean, std = (torch.tensor(v, device=image.device) for v in NORMALIZATION[image.ndim - 2])
    shape = (1, 3) + (1,) * (image.ndim - 2)
    return (image - mean.reshape(shape)) / std.reshape(shape)


def draw(count, options, generator):
    """Random parameters of `count` views, apart from their application.

    Parameters
    ----------
    options : `rotation_degrees`, `scale`, `shift` (share of the side), each the largest
        change; `flip` (true or false); `intensity`, the largest change of gain and offset
        on the 0-1 scale

    Returns
    -------
    dict of float tensors: angle (rad), zoom, shift (count, 2), flip (count, 2: -1 or 1),
    gain and offset (count, 2)
    """

    def uniform(*shape):
        return torch.rand((count, *shape), generator=generator) * 2 - 1

    flips = torch.where(uniform(2) < 0, -1.0, 1.0)
    return {
        "angle": uniform() * math.radians(options["rotation_degrees"]),
        "zoom": 1 + uniform() * options["scale"],
        "shift": uniform(2) * 2 * options["shift"],  # the grid spans 2
        "flip": flips if options["flip"] else torch.ones_like(flips),
        "gain": 1 + uniform(2) * options["intensity"],
        "offset": uniform(2) * options["intensity"],
    }


def augment(phases, mask, drawn):
    """Apply `drawn`: the same rotation, zoom, shift and flips to phases and mask.

    In three dimensions they act in the axial plane. The mask is moved as it is (nearest
    voxel); gain and offset change the phases alone.
    """
    drawn = {name: values.to(phases.device) for name, values in drawn.items()}
    cos, sin = torch.cos(drawn["angle"]), torch.sin(drawn["angle"])
    rotation = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], 1)
    matrix = rotation * drawn["zoom"][:, None, None] * drawn["flip"][:, None, :]
    theta = torch.cat([matrix, drawn["shift"].unsqueeze(-1)], dim=2)  # (B, 2, 3), x first
    if phases.ndim == 5:
        full = theta.new_zeros(len(theta), 3, 4)
        full[:, :2, :2], full[:, :2, 3], full[:, 2, 2] = theta[..., :2], theta[..., 2], 1
        theta = full
    grid = functional.affine_grid(theta, (len(theta), 1, *phases.shape[2:]), align_corners=False)
    sample = dict(grid=grid, align_corners=False)
    phases = functional.grid_sample(phases, padding_mode="border", **sample)
    mask = functional.grid_sample(mask, mode="nearest", padding_mode="zeros", **sample)
    shape = (len(phases), 2) + (1,) * (phases.ndim - 2)
    phases = phases * drawn["gain"].reshape(shape) + drawn["offset"].reshape(shape)
    return phases.clamp(0, 1), mask
