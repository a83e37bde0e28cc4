"""nnU-Net's sliding window without importing its trainer.

Windows, Gaussian weights and padding are nnU-Net's own functions; only the loop is ours, so
that windows in which nothing can be are left out (`windows`).
"""

import itertools
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from nodestage.core import devices, memory
from nodestage.core.errors import InputError
from nodestage.nnunet import cases, network, windows

# A logit where no window was run, on a grid that is still to be interpolated: as good as -inf.
UNSEEN = -1e4
# Voxels of all windows that go through the network together, if two windows are not more.
AT_ONCE = 80_000


def load(model, build=None):
    """The network of an exported model, ready to predict.

    Parameters
    ----------
    model : dict from `training.export` (or its file, loaded with weights_only=True)
    build : function (plans, dataset_json, deep_supervision) -> torch module; nnU-Net's U-Net
        if none is given
    """
    found = (build or network.build)(model["plans"], model["dataset_json"], deep_supervision=False)
    found.load_state_dict(model["weights"])
    return found.eval()


def normalise(channels, plans):
    """Channels as nnU-Net's preprocessor would have them, float32 (c, z, y, x)."""
    from nnunetv2.preprocessing.normalization import default_normalization_schemes as schemes

    constants = plans["foreground_intensity_properties_per_channel"]
    names = network.configuration(plans)["normalization_schemes"]
    found = np.empty((len(names), *np.shape(channels[0])), np.float32)
    for i, (channel, name) in enumerate(zip(channels, names, strict=True)):
        scheme = getattr(schemes, name)(
            use_mask_for_norm=False, intensityproperties=constants[str(i)]
        )
        found[i] = channel
        found[i] = scheme.run(found[i])
    return found


def predict_logits(network_, channels, spacing, model, **how):
    """Logits of every class on the image's grid.

    Parameters
    ----------
    network_ : from `load`
    channels : list of arrays (z, y, x), in the order of the plans' channels, not normalised
    spacing : (z, y, x), mm
    model : dict from `training.export`
    how :
        `where`, bool array (z, y, x): windows without any True are background and never run:
        their logits are 0 for background and -inf for the rest (-1e4 on coarser voxels);
        `min_attention_share` (0), of the weight at every voxel of `where`: windows that give none of them
        more are left out too, which changes a logit by no more than their share;
        `around` (False), lay the windows over the box around `where`: fewer, at other places;
        `step_size` (0.5), share of the window between two neighbours;
        `mirror` (False), also predict mirrored along the axes of the training, and average;
        `threads` (1), `batch` windows at a time (2, more where they are small), `device` (a GPU
        where there is one), `patient` for messages

    Returns
    -------
    float32 tensor (class, z, y, x)
    """
    found = _predicted(network_, channels, spacing, model, **how)
    with _room(len(found.logits), found.shape, how.get("patient")):
        return found.laid_out(found.logits, found.background)


def predict_labels(network_, channels, spacing, model, *, softmax=False, **how):
    """The most likely label of every voxel, uint8 (z, y, x).

    With `softmax=True` also the probabilities, float32 array (class, z, y, x). The other
    arguments are those of `predict_logits`.
    """
    if softmax:
        logits = predict_logits(network_, channels, spacing, model, **how)
        labels = _highest(logits, tuple(logits.shape[1:]))
        return labels.numpy(), torch.softmax(logits, 0).numpy()
    found = _predicted(network_, channels, spacing, model, **how)
    if found.grid == found.shape:
        labels = _highest(found.logits, tuple(found.logits.shape[1:]))
        return found.laid_out(labels[None], [0])[0].numpy()
    return _highest(found.on_grid(found.logits, found.background), found.shape).cpu().numpy()


def predict_log_odds(network_, channels, spacing, model, **how):
    """Log odds of the one class beside background, float32 (z, y, x); the rest as `predict_logits`.

    Under the softmax of two classes they are the difference of the logits.
    """
    found = _predicted(network_, channels, spacing, model, **how)
    background, own = found.logits
    with _room(1, found.shape, how.get("patient")):
        return found.laid_out((own - background)[None], found.background[1:])[0].numpy()


@dataclass
class _Predicted:
    """Logits where windows ran, on the device that summed them; the rest is background.

    What is left of them (labels, log odds) is worked out there, so that no more comes back.
    """

    logits: torch.Tensor  # (class, z, y, x), of `region` alone
    region: tuple  # slices of the network's voxels
    grid: tuple  # (z, y, x), the network's voxels
    shape: tuple  # (z, y, x), the image's voxels

    @property
    def background(self):
        """Logits of a voxel that no window saw, one a class."""
        return [0.0] + [_unseen(self.grid, self.shape)] * (len(self.logits) - 1)

    def on_grid(self, values, outside):
        """`values` (n, z, y, x) of the region on the whole grid, `outside` (one each) elsewhere."""
        if values.shape[1:] == self.grid:
            return values
        found = values.new_empty((len(values), *self.grid))
        for own, value in zip(found, outside, strict=True):
            own.fill_(value)
        found[(slice(None), *self.region)] = values
        return found

    def laid_out(self, values, outside):
        """The same on the image's grid and in host memory, interpolated where it is finer."""
        if self.grid == self.shape:
            return self.on_grid(values.cpu(), outside)
        return _resized(self.on_grid(values, outside), self.shape).cpu()


def _predicted(
    network_,
    channels,
    spacing,
    model,
    *,
    where=None,
    min_attention_share=0.0,
    around=False,
    step_size=0.5,
    mirror=False,
    threads=1,
    batch=None,
    device=None,
    patient="",
):
    """What `predict_logits` says, as a _Predicted."""
    from acvl_utils.cropping_and_padding.padding import pad_nd_image

    plans = model["plans"]
    cases.check_spacing(patient or "the image", spacing, plans)
    torch.set_num_threads(threads)
    device = devices.chosen(device)
    tile = network.patch_size(plans)
    shape = np.shape(channels[0])
    coarse = network.coarse_shape(plans, shape)
    inside = None
    if where is not None:
        inside = torch.from_numpy(np.asarray(where, bool))[None]
        if coarse:
            inside = functional.adaptive_max_pool3d(inside.float(), coarse) > 0
        inside = pad_nd_image(inside, tile)[0]
    grid = tuple(coarse or shape)
    padded = [max(n, size) for n, size in zip(grid, tile, strict=True)]
    corners = windows.corners(padded, tile, step_size, inside, min_attention_share, around)
    classes = network.number_of_classes(model["dataset_json"])
    if not corners:
        nothing = (slice(0, 0),) * 3
        return _Predicted(torch.empty((classes, 0, 0, 0)), nothing, grid, shape)
    # Only the part that windows cover is held; an axis that had to be padded is covered as a whole.
    region = tuple(
        slice(min(starts), min(max(starts) + size, n))
        for starts, size, n in zip(zip(*corners, strict=True), tile, grid, strict=True)
    )
    if coarse:
        images = _resized(torch.from_numpy(normalise(channels, plans)), coarse)
        images = images[(slice(None), *region)]
    else:
        images = torch.from_numpy(normalise([c[region] for c in channels], plans))
    data, unpad = pad_nd_image(images, tile, "constant", {"value": 0}, True, None)
    del images
    place = _place(device, 4 * (len(data) + classes + 1) * data[0].numel())
    data, gaussian = data.to(place), windows.gaussian(tile).to(place)
    boxes = [
        windows.window([c - r.start for c, r in zip(corner, region, strict=True)], tile)
        for corner in corners
    ]
    axes = _mirrored(model["mirror_axes"]) if mirror else [()]
    in_host_memory = place.type == "cpu"
    with _room(classes, data.shape[1:], patient) if in_host_memory else nullcontext():
        total = torch.zeros((classes, *data.shape[1:]), device=place)
        weight = torch.zeros(data.shape[1:], device=place)
    batch = batch or max(2, AT_ONCE // int(np.prod(tile)))
    network_ = network_.to(device).eval()
    if device.type == "cpu":
        network_ = network_.to(memory_format=torch.channels_last_3d)  # a tenth faster
    # Mixed precision on a GPU, as nnU-Net's own predictor has it; the sums are single.
    mixed = bool(plans["nodestage"].get("mixed_precision"))
    with torch.inference_mode(), devices.autocast(device, mixed):
        for start in range(0, len(boxes), batch):
            group = boxes[start : start + batch]
            found = _predict(
                network_, torch.stack([data[(slice(None), *box)] for box in group]).to(device), axes
            )
            for logits, box in zip(found.float().to(place), group, strict=True):
                total[(slice(None), *box)] += logits * gaussian
                weight[box] += gaussian
        del data
        empty = weight == 0
        total /= weight.masked_fill_(empty, 1)
        total[1:].masked_fill_(empty, _unseen(grid, shape))
        del weight, empty
    return _Predicted(total[(slice(None), *unpad[1:])], region, grid, shape)


def _unseen(grid, shape):
    """A class's logit where no window was run, on the network's voxels (`grid`) of an image."""
    return -torch.inf if grid == shape else UNSEEN


def _place(device, size):
    """Where images and sums of `size` bytes lie: beside the network, if that leaves half the room.

    Each window would else be carried there and back.
    """
    if device.type == "cuda" and size > torch.cuda.mem_get_info(device)[0] / 2:
        return torch.device("cpu")
    return device


def _resized(channels, shape):
    """Channels (c, z, y, x) on a grid of another size that covers the same field, trilinear."""
    return functional.interpolate(channels[None], shape, mode="trilinear", align_corners=False)[0]


def _highest(logits, shape):
    """The class of the highest logit on a grid of `shape`, uint8 (z, y, x).

    One class at a time: all classes on a full-size grid are what prediction's memory goes into,
    and torch looks for the place of a maximum many times as long as it compares.
    """
    labels = torch.zeros(shape, dtype=torch.uint8, device=logits.device)
    for label, own in enumerate(logits):
        found = own if own.shape == shape else _resized(own[None], shape)[0]
        if not label:
            best = found.clone()
            continue
        labels.masked_fill_(found > best, label)
        torch.maximum(best, found, out=best)
    return labels


@contextmanager
def _room(classes, shape, patient):
    """Refuse `classes` volumes that don't fit into memory, in words, before they are begun."""
    gib = 4 * (classes + 1) * np.prod(shape, dtype=float) / memory.GIB
    free = memory.free() / memory.GIB
    refused = InputError(
        f"{patient or 'the image'}: {classes} classes on {tuple(shape)} voxels need "
        f"{gib:.1f} GiB of memory for the prediction alone, of which {free:.1f} GiB are free. Give "
        "the job more (`jobs.predict.mem_mb`), or the network or the study a coarser `spacing_mm`."
    )
    if gib > free:
        raise refused
    try:
        yield
    except RuntimeError as error:
        if memory.refused(error):
            raise refused from error
        raise


def _predict(network_, images, axes):
    total = 0
    for flipped in axes:
        found = network_(torch.flip(images, flipped)) if flipped else network_(images)
        total = total + (torch.flip(found, flipped) if flipped else found)
    return total / len(axes) if len(axes) > 1 else total


def _mirrored(axes):
    """Every combination of mirror axes, none first, as axes of a batch (n, c, z, y, x)."""
    axes = [axis + 2 for axis in axes]
    return [c for n in range(len(axes) + 1) for c in itertools.combinations(axes, n)]
