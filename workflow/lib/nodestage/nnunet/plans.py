"""nnU-Net plans from geometry and constants, never from intensities under labels.

nnU-Net's fingerprint takes intensities from below all labels of all patients, so a
statistic of a fold's test patients would enter its training. Here nnU-Net's planner gets
a fingerprint that holds shapes, spacings and constants of the config alone.
"""

import json
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from nodestage.core import volumes
from nodestage.core.errors import InputError
from nodestage.nnunet import imports
from nodestage.nnunet.environment import environment
from nodestage.nnunet.network import CONFIGURATION
from nodestage.nnunet.settings import NAMES, Plan, TrainingSettings

PLANNERS = "nnunetv2.experiment_planning.experiment_planners"
# Soft tissue in HU; a study's config may replace them under `intensity`.
INTENSITY = {"low": -160.0, "high": 240.0, "mean": 50.0, "sd": 75.0}
PLANNING = (
    "patch_size",
    "features",
    "batch_size",
    "batch_dice",
    "convolutions",
    "norm",
    "memory_gb",
    "intensity",
    "spacing_mm",
)
NORMS = {
    "instance": "torch.nn.modules.instancenorm.InstanceNorm3d",
    "batch": "torch.nn.modules.batchnorm.BatchNorm3d",
}
# A coarser network: trilinear both ways, so that prediction needs torch alone.
RESAMPLING = {"force_separate_z": False, "num_threads": 1}


def geometry(image):
    """Shape (z, y, x) and spacing (z, y, x; mm) of a Volume, or of a file from its header alone."""
    if isinstance(image, volumes.Volume):
        return image.array.shape, image.spacing
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(image))
    reader.ReadImageInformation()
    return tuple(reversed(reader.GetSize())), tuple(reversed(reader.GetSpacing()))


def make_plans(name, shapes, spacing, channels, n_labels, settings):
    """The Plan of one network.

    Parameters
    ----------
    name : str, what the network segments, as a word ("organs")
    shapes : list of (z, y, x), sizes in voxels of the training images
    spacing : (z, y, x), mm, of the study grid
    channels : list of str; a channel named "noNorm" keeps its values, every other is CT
    n_labels : int, foreground labels 1..n
    settings : dict
        `patch_size` (z, y, x), `features` (one number per stage), `batch_size`, `batch_dice`,
        `convolutions` (per stage), `norm` (instance or batch), `memory_gb` (what the planner may fill, 8): null or absent
        leaves them to nnU-Net's planner. `intensity`: {channel: {low, high, mean, sd}} in HU.
        `spacing_mm` (z, y, x): voxels of the network where it works on coarser ones than the
        study grid, and sees more of the body at once. The others are those of `TrainingSettings`.
    """
    settings = {k: v for k, v in (settings or {}).items() if v is not None}
    _known(name, settings)
    dataset_json = {
        "channel_names": {
            str(i): "noNorm" if c == "noNorm" else "CT" for i, c in enumerate(channels)
        },
        "labels": {"background": 0} | {f"label_{i}": i for i in range(1, n_labels + 1)},
        "numTraining": len(shapes),
        "file_ending": ".nii.gz",
    }
    network_spacing = [float(s) for s in settings.get("spacing_mm", spacing)]
    zoom = np.divide(spacing, network_spacing)
    fingerprint = {
        "spacings": [network_spacing for _ in shapes],
        "shapes_after_crop": [np.round(np.multiply(shape, zoom)).tolist() for shape in shapes],
        "median_relative_size_after_cropping": 1.0,
        "foreground_intensity_properties_per_channel": {
            str(i): _intensity(channel, settings.get("intensity", {}))
            for i, channel in enumerate(channels)
        },
    }
    plans = _planned(name, fingerprint, dataset_json, float(settings.get("memory_gb", 8)))
    _override(name, plans["configurations"][CONFIGURATION], settings)
    plans["channels"] = list(channels)
    plans["image_spacing"] = [float(s) for s in spacing]
    training = TrainingSettings(**{key: settings[key] for key in NAMES if key in settings})
    # Through JSON, so that plans in memory, in a checkpoint and in a bundle are the same values.
    return Plan(json.loads(json.dumps(plans, default=_plain)), dataset_json, training)


def _known(name, settings):
    unknown = sorted(set(settings) - set(NAMES) - set(PLANNING))
    if unknown:
        raise InputError(
            f"settings of the network `{name}`: unknown setting {', '.join(unknown)}. "
            f"Allowed are {', '.join(sorted({*NAMES, *PLANNING}))}."
        )


def _intensity(channel, intensity):
    """nnU-Net's names for the constants by which one channel is clipped and scaled."""
    if channel == "noNorm":
        return {}
    constants = {**INTENSITY, **intensity.get("CT", {}), **intensity.get(channel, {})}
    if not (constants["low"] < constants["high"] and constants["sd"] > 0):
        raise InputError(
            f"`intensity` of the channel {channel}: low {constants['low']} must be below high "
            f"{constants['high']}, and sd {constants['sd']} above 0. Correct it in the config."
        )
    return {
        "mean": float(constants["mean"]),
        "median": float(constants["mean"]),
        "std": float(constants["sd"]),
        "min": float(constants["low"]),
        "max": float(constants["high"]),
        "percentile_00_5": float(constants["low"]),
        "percentile_99_5": float(constants["high"]),
    }


def _planned(name, fingerprint, dataset_json, memory_gb):
    """The plans of nnU-Net's planner for a fingerprint, with one 3D configuration."""
    planners = imports.module(f"{PLANNERS}.default_experiment_planner")
    dataset = f"Dataset001_{name}"
    with _planner_folders(dataset, fingerprint, dataset_json):
        # The axes stay (z, y, x), whichever spacing is the largest.
        planner = planners.ExperimentPlanner(
            dataset, gpu_memory_target_in_gb=memory_gb, suppress_transpose=True
        )
    spacing = np.array(fingerprint["spacings"][0])
    median = np.median(fingerprint["shapes_after_crop"], axis=0)
    planned = planner.get_plans_for_configuration(
        spacing, median, CONFIGURATION, float(np.prod(median) * dataset_json["numTraining"]), {}
    )
    # As nnU-Net decides it: the Dice is taken over the batch where a patch sees little of a patient.
    few = np.prod(planned["patch_size"]) / np.prod(median) < planner.lowres_creation_threshold
    planned["batch_dice"] = bool(few)
    return {
        "dataset_name": dataset,
        "plans_name": "nodestagePlans",
        "original_median_spacing_after_transp": spacing.tolist(),
        "original_median_shape_after_transp": [round(n) for n in median],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {CONFIGURATION: planned},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": fingerprint[
            "foreground_intensity_properties_per_channel"
        ],
    }


@contextmanager
def _planner_folders(dataset, fingerprint, dataset_json):
    """The two files that nnU-Net's planner reads, in temporary folders."""
    with (
        tempfile.TemporaryDirectory() as folder,
        environment(nnUNet_raw=folder, nnUNet_preprocessed=folder, nnUNet_n_proc_DA="0"),
    ):
        files = Path(folder, dataset)
        files.mkdir()
        (files / "dataset.json").write_text(json.dumps({**dataset_json, "dataset": {}}))
        (files / "dataset_fingerprint.json").write_text(json.dumps(fingerprint))
        yield


def _override(name, planned, settings):
    """Replace the planner's numbers by those of the config."""
    topology = imports.module(f"{PLANNERS}.network_topology")
    kwargs = planned["architecture"]["arch_kwargs"]
    patch = [int(n) for n in settings.get("patch_size", planned["patch_size"])]
    _, strides, kernels, _, _ = topology.get_pool_and_conv_props(
        planned["spacing"], patch, 4, 999999
    )
    features = [int(n) for n in settings.get("features", ())]
    stages = len(features) or len(strides)
    if stages < 3:
        raise InputError(
            f"settings of the network `{name}`: {stages} stages are too few, nnU-Net's loss needs "
            "three. Give `features` three numbers or more, and `patch_size` 16 voxels or more."
        )
    if stages > len(strides):
        raise InputError(
            f"settings of the network `{name}`: `features` has {stages} stages, but a patch of "
            f"{patch} voxels can be halved for {len(strides)} only. Shorten `features` or enlarge `patch_size`."
        )
    strides, kernels = (
        [list(map(int, s)) for s in strides[:stages]],
        [list(map(int, k)) for k in kernels[:stages]],
    )
    divisor = np.prod(strides, axis=0)
    if np.any(np.array(patch) % divisor):
        nearest = (np.ceil(np.array(patch) / divisor) * divisor).astype(int).tolist()
        raise InputError(
            f"settings of the network `{name}`: `patch_size` {patch} must be divisible by "
            f"{divisor.tolist()} (z, y, x). The next size up is {nearest}."
        )
    if not features:
        # nnU-Net's rule: 32 channels, doubled with each stage, 320 at most.
        features = [min(320, 32 * 2**i) for i in range(stages)]
    convolutions = int(settings.get("convolutions", 2))
    kwargs.update(
        n_stages=stages,
        features_per_stage=features,
        strides=strides,
        kernel_sizes=kernels,
        n_conv_per_stage=[convolutions] * stages,
        n_conv_per_stage_decoder=[convolutions] * (stages - 1),
    )
    if "norm" in settings:
        kwargs["norm_op"] = NORMS[settings["norm"]]
    planned["patch_size"] = patch
    for key in ("batch_size", "batch_dice"):
        if key in settings:
            planned[key] = settings[key]
    if "spacing_mm" in settings:
        for kind in ("data", "seg", "probabilities"):
            planned[f"resampling_fn_{kind}"] = "resample_torch_fornnunet"
            planned[f"resampling_fn_{kind}_kwargs"] = {**RESAMPLING, "is_seg": kind == "seg"}


def _plain(value):
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} can't be written into plans")
