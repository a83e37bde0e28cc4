"""nnU-Net's sliding window without importing its trainer.

Windows, Gaussian weights and padding are nnU-Net's own functions; only the loop is ours, so
that windows in which nothing can be are left out.
"""

import itertools
from contextlib import contextmanager

import numpy as np
import torch
from torch.nn import functional

from nodestage.errors import InputError
from nodestage.nnunet import cases, network

# A logit where no window was run, on a grid that is still to be interpolated: as good as -inf.
UNSEEN = -1e4


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
    return np.stack(
        [
            getattr(schemes, name)(
                use_mask_for_norm=False, intensityproperties=constants[str(i)]
            ).run(np.array(channel, np.float32))
            for i, (channel, name) in enumerate(zip(channels, names, strict=True))
        ]
    )


def predict_logits(
    network_,
    channels,
    spacing,
    model,
    *,
    where=None,
    step_size=0.5,
    mirror=False,
    threads=1,
    batch=2,
    device="cpu",
    patient="",
):
    """Logits of every class on the image's grid.

    Parameters
    ----------
    network_ : from `load`
    channels : list of arrays (z, y, x), in the order of the plans' channels, not normalised
    spacing : (z, y, x), mm
    model : dict from `training.export`
    where : bool array (z, y, x) or None; windows without any True are background and never
        run: their logits are 0 for background and -inf for the rest
    step_size : share of the window between two neighbours
    mirror : also predict mirrored along the axes of the training, and average
    threads : CPU threads
    batch : windows at a time

    Returns
    -------
    float32 tensor (class, z, y, x)
    """
    from acvl_utils.cropping_and_padding.padding import pad_nd_image
    from nnunetv2.inference.sliding_window_prediction import (
        compute_gaussian,
        compute_steps_for_sliding_window,
    )

    plans = model["plans"]
    cases.check_spacing(patient or "the image", spacing, plans)
    torch.set_num_threads(threads)
    tile = network.patch_size(plans)
    images = torch.from_numpy(normalise(channels, plans))
    shape, coarse = images.shape[1:], network.coarse_shape(plans, images.shape[1:])
    if coarse:
        images = _resized(images, coarse)
    data, unpad = pad_nd_image(images, tile, "constant", {"value": 0}, True, None)
    inside = None
    if where is not None:
        inside = torch.from_numpy(np.asarray(where, bool))[None]
        if coarse:
            inside = functional.adaptive_max_pool3d(inside.float(), coarse) > 0
        inside = pad_nd_image(inside, tile)[0]
    steps = compute_steps_for_sliding_window(data.shape[1:], tile, step_size)
    windows = [
        tuple(slice(start, start + size) for start, size in zip(corner, tile, strict=True))
        for corner in itertools.product(*steps)
    ]
    if inside is not None:
        windows = [window for window in windows if bool(inside[window].any())]
    gaussian = compute_gaussian(
        tile,
        sigma_scale=1 / 8,
        value_scaling_factor=10,
        dtype=torch.float32,
        device=torch.device("cpu"),
    )
    axes = _mirrored(model["mirror_axes"]) if mirror else [()]
    classes = network.number_of_classes(model["dataset_json"])
    with _room(classes, data.shape[1:], patient):
        total, weight = torch.zeros((classes, *data.shape[1:])), torch.zeros(data.shape[1:])
    network_ = network_.to(device).eval()
    with torch.inference_mode():
        for start in range(0, len(windows), batch):
            group = windows[start : start + batch]
            found = _predict(
                network_, torch.stack([data[(slice(None), *w)] for w in group]).to(device), axes
            )
            for logits, window in zip(found.float().cpu(), group, strict=True):
                total[(slice(None), *window)] += logits * gaussian
                weight[window] += gaussian
        seen = weight > 0
        total /= torch.where(seen, weight, 1)
        total[1:, ~seen] = UNSEEN if coarse else -torch.inf
        logits = total[(slice(None), *unpad[1:])]
        with _room(classes, shape, patient):
            return _resized(logits, shape) if coarse else logits


def _resized(channels, shape):
    """Channels (c, z, y, x) on a grid of another size that covers the same field, trilinear."""
    return functional.interpolate(channels[None], shape, mode="trilinear", align_corners=False)[0]


def predict_labels(network_, channels, spacing, model, *, softmax=False, **how):
    """The most likely label of every voxel, uint8 (z, y, x).

    With `softmax=True` also the probabilities, float32 array (class, z, y, x). The other
    arguments are those of `predict_logits`.
    """
    logits = predict_logits(network_, channels, spacing, model, **how)
    labels = logits.argmax(0).to(torch.uint8).numpy()
    return (labels, torch.softmax(logits, 0).numpy()) if softmax else labels


@contextmanager
def _room(classes, shape, patient):
    """Turn a failed allocation of `classes` volumes into how much memory they need."""
    try:
        yield
    except RuntimeError as error:
        if "alloc" not in str(error):
            raise
        gib = 4 * (classes + 1) * np.prod(shape, dtype=float) / 2**30
        raise InputError(
            f"{patient or 'the image'}: {classes} classes on {tuple(shape)} voxels need "
            f"{gib:.1f} GiB of memory for the prediction alone, which is not there. Give the job "
            "more memory (`mem_mb` in the profile), or use a coarser `spacing_mm`."
        ) from error


def _predict(network_, windows, axes):
    total = 0
    for flipped in axes:
        found = network_(torch.flip(windows, flipped)) if flipped else network_(windows)
        total = total + (torch.flip(found, flipped) if flipped else found)
    return total / len(axes) if len(axes) > 1 else total


def _mirrored(axes):
    """Every combination of mirror axes, none first, as axes of a batch (n, c, z, y, x)."""
    axes = [axis + 2 for axis in axes]
    return [c for n in range(len(axes) + 1) for c in itertools.combinations(axes, n)]
