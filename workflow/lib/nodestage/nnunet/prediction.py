"""nnU-Net's sliding window without importing its trainer.

Windows, Gaussian weights and padding are nnU-Net's functions. The loop is written here, so that
windows without any foreground can be left out (`windows`).
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

# A logit where no window was run, on a grid that is still to be interpolated: in effect -inf.
UNSEEN = -1e4
# Voxels of all windows that go through the network together, if two windows are not more.
AT_ONCE = 80_000


@dataclass(frozen=True)
class Options:
    """How one image is predicted.

    Attributes
    ----------
    where : bool array (z, y, x): windows without any True are background and never run: their
        logits are 0 for background and -inf for the rest (-1e4 on coarser voxels); or None
    min_attention_share : of the weight at every voxel of `where`: windows that have a smaller share
        of all of them are left out too, which changes a logit by no more than their share
    around : cover only the box around `where` with windows: fewer of them, at other positions
    step_size : share of the window between two neighbours
    mirror : also predict mirrored along the axes of the training, and average
    threads : of the CPU
    batch : windows at a time; None: 2, more where they are small
    device : None takes a GPU where there is one
    patient : code, for messages
    """

    where: np.ndarray | None = None
    min_attention_share: float = 0.0
    around: bool = False
    step_size: float = 0.5
    mirror: bool = False
    threads: int = 1
    batch: int | None = None
    device: str | None = None
    patient: str = "the image"


def load(model, build=None):
    """The network of an exported model, ready to predict.

    Parameters
    ----------
    model : dict from `training.export` (or its file, loaded with weights_only=True)
    build : function (plans, dataset_json, deep_supervision) -> torch module; nnU-Net's U-Net
        if none is given
    """
    module = (build or network.build)(model["plans"], model["dataset_json"], deep_supervision=False)
    module.load_state_dict(model["weights"])
    return module.eval()


def normalise(channels, plans):
    """Channels as nnU-Net's preprocessor would have them, float32 (c, z, y, x)."""
    from nnunetv2.preprocessing.normalization import default_normalization_schemes as schemes

    constants = plans["foreground_intensity_properties_per_channel"]
    names = network.configuration(plans)["normalization_schemes"]
    images = np.empty((len(names), *np.shape(channels[0])), np.float32)
    for i, (channel, name) in enumerate(zip(channels, names, strict=True)):
        scheme = getattr(schemes, name)(
            use_mask_for_norm=False, intensityproperties=constants[str(i)]
        )
        images[i] = channel
        images[i] = scheme.run(images[i])
    return images


def predict_logits(network_, channels, spacing, model, **options):
    """Logits of every class on the image's grid.

    Parameters
    ----------
    network_ : from `load`
    channels : list of arrays (z, y, x), in the order of the plans' channels, not normalised
    spacing : (z, y, x), mm
    model : dict from `training.export`
    options : of `Options`

    Returns
    -------
    float32 tensor (class, z, y, x)
    """
    options = Options(**options)
    predicted = _predicted(network_, channels, spacing, model, options)
    with _enough_memory(len(predicted.logits), predicted.shape, options.patient):
        return predicted.on_image(predicted.logits, predicted.background)


def predict_labels(network_, channels, spacing, model, *, softmax=False, **options):
    """The most likely label of every voxel, uint8 array (z, y, x).

    With `softmax=True` also the probabilities, float32 array (class, z, y, x). The other
    arguments are those of `predict_logits`.
    """
    if softmax:
        logits = predict_logits(network_, channels, spacing, model, **options)
        labels = highest(logits, tuple(logits.shape[1:]))
        return labels.numpy(), softmax_(logits).numpy()
    predicted = _predicted(network_, channels, spacing, model, Options(**options))
    if predicted.grid == predicted.shape:
        labels = highest(predicted.logits, tuple(predicted.logits.shape[1:]))
        return predicted.on_image(labels[None], [0])[0].numpy()
    logits = predicted.on_grid(predicted.logits, predicted.background)
    return highest(logits, predicted.shape).cpu().numpy()


def predict_log_odds(network_, channels, spacing, model, **options):
    """Log odds of the one class beside background, float32 (z, y, x); the rest as `predict_logits`.

    Under the softmax of two classes they are the difference of the logits.
    """
    options = Options(**options)
    predicted = _predicted(network_, channels, spacing, model, options)
    background, foreground = predicted.logits
    with _enough_memory(1, predicted.shape, options.patient):
        log_odds = (foreground - background)[None]
        return predicted.on_image(log_odds, predicted.background[1:])[0].numpy()


@dataclass
class _Predicted:
    """Logits where windows ran, on the device that summed them; the rest is background.

    Labels and log odds are computed there, so that less is copied back.
    """

    logits: torch.Tensor  # (class, z, y, x), of `region` alone
    region: tuple  # slices of the network's voxels
    grid: tuple  # (z, y, x), the network's voxels
    shape: tuple  # (z, y, x), the image's voxels

    @property
    def background(self):
        """Logits of a voxel that no window covers, one per class."""
        return [0.0] + [_unseen(self.grid, self.shape)] * (len(self.logits) - 1)

    def on_grid(self, values, outside):
        """`values` (n, z, y, x) of the region on the whole grid, `outside` (one each) elsewhere."""
        if values.shape[1:] == self.grid:
            return values
        whole = values.new_empty((len(values), *self.grid))
        for channel, value in zip(whole, outside, strict=True):
            channel.fill_(value)
        whole[(slice(None), *self.region)] = values
        return whole

    def on_image(self, values, outside):
        """The same on the image's grid and in host memory, interpolated where it is finer."""
        if self.grid == self.shape:
            return self.on_grid(values.cpu(), outside)
        return _resized(self.on_grid(values, outside), self.shape).cpu()


def _predicted(network_, channels, spacing, model, options):
    """The logits of `predict_logits`, as a _Predicted."""
    from acvl_utils.cropping_and_padding.padding import pad_nd_image

    plans = model["plans"]
    cases.check_spacing(options.patient, spacing, plans)
    torch.set_num_threads(options.threads)
    tile, shape = network.patch_size(plans), np.shape(channels[0])
    grid = tuple(network.coarse_shape(plans, shape) or shape)
    corners = _corners(options, grid, shape, tile)
    classes = network.number_of_classes(model["dataset_json"])
    if not corners:
        nothing = (slice(0, 0),) * 3
        return _Predicted(torch.empty((classes, 0, 0, 0)), nothing, grid, shape)
    # Only the part that windows cover is held; an axis that had to be padded is covered as a whole.
    region = tuple(
        slice(min(starts), min(max(starts) + size, n))
        for starts, size, n in zip(zip(*corners, strict=True), tile, grid, strict=True)
    )
    images = _images(channels, plans, grid, region)
    data, unpad = pad_nd_image(images, tile, "constant", {"value": 0}, True, None)
    del images
    boxes = [
        windows.window([c - r.start for c, r in zip(corner, region, strict=True)], tile)
        for corner in corners
    ]
    total, weight = _summed(network_, data, boxes, model, options)
    del data
    empty = weight == 0
    total /= weight.masked_fill_(empty, 1)
    total[1:].masked_fill_(empty, _unseen(grid, shape))
    return _Predicted(total[(slice(None), *unpad[1:])], region, grid, shape)


def _corners(options, grid, shape, tile):
    """First voxels of the windows to run, on the network's voxels (`grid`), padded to a window."""
    from acvl_utils.cropping_and_padding.padding import pad_nd_image

    inside = None
    if options.where is not None:
        inside = torch.from_numpy(np.asarray(options.where, bool))[None]
        if grid != shape:
            inside = functional.adaptive_max_pool3d(inside.float(), grid) > 0
        inside = pad_nd_image(inside, tile)[0]
    padded = [max(n, size) for n, size in zip(grid, tile, strict=True)]
    return windows.corners(
        padded, tile, options.step_size, inside, options.min_attention_share, options.around
    )


def _images(channels, plans, grid, region):
    """Normalised channels (c, z, y, x) of a region of the network's voxels."""
    if grid == np.shape(channels[0]):
        return torch.from_numpy(normalise([c[region] for c in channels], plans))
    return _resized(torch.from_numpy(normalise(channels, plans)), grid)[(slice(None), *region)]


def _summed(network_, data, boxes, model, options):
    """Sums of the windows' weighted logits (class, z, y, x) and of their weights (z, y, x).

    data : (c, z, y, x), normalised; boxes : slices of the windows in it
    """
    device, tile = devices.chosen(options.device), network.patch_size(model["plans"])
    classes = network.number_of_classes(model["dataset_json"])
    held_on = _device_of_sums(device, 4 * (len(data) + classes + 1) * data[0].numel())
    data, gaussian = data.to(held_on), windows.gaussian(tile).to(held_on)
    axes = _mirrored(model["mirror_axes"]) if options.mirror else [()]
    on_host = held_on.type == "cpu"
    with _enough_memory(classes, data.shape[1:], options.patient) if on_host else nullcontext():
        total = torch.zeros((classes, *data.shape[1:]), device=held_on)
        weight = torch.zeros(data.shape[1:], device=held_on)
    batch = options.batch or max(2, AT_ONCE // int(np.prod(tile)))
    network_ = network_.to(device).eval()
    if device.type == "cpu":
        network_ = network_.to(memory_format=torch.channels_last_3d)  # a tenth faster
    # Mixed precision on a GPU, as in nnU-Net's predictor; the sums are in single precision.
    mixed = model["settings"]["mixed_precision"]
    with torch.inference_mode(), devices.autocast(device, mixed):
        for start in range(0, len(boxes), batch):
            group = boxes[start : start + batch]
            images = torch.stack([data[(slice(None), *box)] for box in group]).to(device)
            logits_of_group = _predict(network_, images, axes).float().to(held_on)
            for logits, box in zip(logits_of_group, group, strict=True):
                total[(slice(None), *box)] += logits * gaussian
                weight[box] += gaussian
    return total, weight


def _unseen(grid, shape):
    """A class's logit where no window was run, on the network's voxels (`grid`) of an image."""
    return -torch.inf if grid == shape else UNSEEN


def _device_of_sums(device, size):
    """Where images and sums of `size` bytes are held: beside the network if half its memory stays free.

    Otherwise each window is copied there and back.
    """
    if device.type == "cuda" and size > torch.cuda.mem_get_info(device)[0] / 2:
        return torch.device("cpu")
    return device


def _resized(channels, shape):
    """Channels (c, z, y, x) on a grid of another size that covers the same field, trilinear."""
    return functional.interpolate(channels[None], shape, mode="trilinear", align_corners=False)[0]


def softmax_(logits):
    """Probabilities from logits (class, z, y, x), finite for one class at least, in the same memory.

    All classes of a full-size image take most of the memory: no second tensor of that size is made.
    """
    logits -= logits.amax(0)
    logits.exp_()
    logits /= logits.sum(0)
    return logits


def highest(logits, shape):
    """The class of the highest logit on a grid of `shape`, uint8 (z, y, x).

    One class at a time: all classes on a full-size grid take most of the memory, and in torch the
    index of a maximum takes many times as long as a comparison.
    """
    labels = torch.zeros(shape, dtype=torch.uint8, device=logits.device)
    for label, logit in enumerate(logits):
        if logit.shape != shape:
            logit = _resized(logit[None], shape)[0]
        if not label:
            best = logit.clone()
            continue
        labels.masked_fill_(logit > best, label)
        torch.maximum(best, logit, out=best)
    return labels


@contextmanager
def _enough_memory(classes, shape, patient):
    """Refuse `classes` volumes that don't fit into memory with a message, before they are allocated."""
    gib = 4 * (classes + 1) * np.prod(shape, dtype=float) / memory.GIB
    free = memory.free() / memory.GIB
    refused = InputError(
        f"{patient}: {classes} classes on {tuple(shape)} voxels need "
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
        logits = network_(torch.flip(images, flipped)) if flipped else network_(images)
        total = total + (torch.flip(logits, flipped) if flipped else logits)
    return total / len(axes) if len(axes) > 1 else total


def _mirrored(axes):
    """Every combination of mirror axes, none first, as axes of a batch (n, c, z, y, x)."""
    axes = [axis + 2 for axis in axes]
    return [c for n in range(len(axes) + 1) for c in itertools.combinations(axes, n)]
