"""A nnU-Net v2 model trained elsewhere, used as a teacher.

Its folder holds `plans.json`, `dataset.json` and `fold_*/checkpoint_final.pth` (or `_best.pth`), as nnU-Net
leaves it. Nothing in it is run: checkpoints are read as tensors and plain values alone, with
NumPy's numbers allowed, and plans may only name nnU-Net's networks.

Differences to nnU-Net's prediction: images are resampled to the model's voxels by linear
interpolation (nnU-Net: cubic), and the mean over folds is that of their logits, as in nnU-Net.
"""

import json
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nodestage.core import totalsegmentator
from nodestage.core.errors import InputError
from nodestage.nnunet import cropping, imports, prediction
from nodestage.nnunet.network import CONFIGURATION

# What plans may name: classes of nnU-Net's networks, and of PyTorch's layers. They are imported by name.
NETWORKS = re.compile(r"dynamic_network_architectures\.architectures\.[a-z0-9_]+\.[A-Z]\w*")
PARTS = re.compile(r"torch\.nn\.(modules\.[a-z_]+\.)?[A-Z]\w*")
# Data sets have different names for a tumor.
TUMORS = ("tumor", "tumour", "cancer", "pdac", "lesion")


def checkpoints_of(folder: str | Path) -> list[Path]:
    """The checkpoint of each fold of a model's folder, by fold.

    Raises
    ------
    InputError where a file is missing
    """
    absent = [n for n in ("plans.json", "dataset.json") if not Path(folder, n).is_file()]
    folds = sorted(path for path in Path(folder).glob("fold_*") if path.is_dir())
    chosen = [
        next((p for n in ("final", "best") if (p := fold / f"checkpoint_{n}.pth").is_file()), None)
        for fold in folds
    ]
    paths = [path for path in chosen if path is not None]
    if absent or not paths:
        what = ", ".join([*absent, *([] if paths else ["fold_*/checkpoint_final.pth"])])
        raise InputError(
            f"the folder of a nnU-Net model lacks {what}. Name the folder of one trainer and configuration, such as "
            "nnUNet_results/Dataset001_X/nnUNetTrainer__nnUNetPlans__3d_fullres."
        )
    return paths


def read(folder: str | Path, known: Mapping[str, int], label_system: Mapping | None = None) -> dict:
    """A model of plain values, for `core.checkpoints.save` and `Foreign`.

    Parameters
    ----------
    folder : see above
    known : {our class: our label}
    label_system : {our class: their label or name, or a list of those}; None: classes of the same
        name, or of TotalSegmentator's

    Raises
    ------
    InputError where the folder isn't such a model, or its classes aren't ours
    """
    paths = checkpoints_of(folder)
    dataset = _json(Path(folder, "dataset.json"))
    plans = _plain_plans(_json(Path(folder, "plans.json")))
    states = [_state(path) for path in paths]
    labels = dataset.get("labels") or {}
    if not labels or any(isinstance(value, list) for value in labels.values()):
        raise InputError(
            "the nnU-Net model has overlapping regions instead of labels (`labels` in dataset.json), which can't be "
            "translated into ours. Use a model with one label per structure."
        )
    labels = {name: int(value) for name, value in labels.items() if name != "ignore"}
    channels = dataset.get("channel_names") or dataset.get("modality") or {"0": "CT"}
    if len(channels) > 2:
        raise InputError(
            f"the nnU-Net model reads {len(channels)} channels; a study has two phases. Use a model of one or two CT channels."
        )
    table = _table(labels, known, label_system)
    return {
        "folds": [state for state, _ in states],
        "plans": plans,
        "dataset_json": {"channel_names": dict(channels), "labels": labels},
        "mirror_axes": list(states[0][1] or ()),
        "settings": {"mixed_precision": False},
        "table": table,
        "highest": max(known.values()),
        "learned_labels": sorted(set(table.values())),
    }


class Foreign:
    """Such a model with its networks, used as `fitting.Network` is; its labels are ours."""

    def __init__(self, model: dict):
        self.model = model
        self.networks = [prediction.load(model | {"weights": state}) for state in model["folds"]]

    def box(self, channels, spacing):
        """The part of an image (slices z, y, x) that it predicts: all of it, as in its training."""
        return cropping.whole(np.shape(channels[0]))

    def labels(self, channels, spacing, softmax=False, **options):
        """Labels, uint8 (z, y, x); with `softmax` also probabilities (our label, z, y, x)."""
        forward = self.model["plans"]["transpose_forward"]
        back = [int(i) for i in np.argsort(forward)]
        turned = [np.ascontiguousarray(np.transpose(image, forward)) for image in channels]
        turned_spacing = [float(spacing[i]) for i in forward]
        model = self.model | {"plans": self.model["plans"] | {"image_spacing": turned_spacing}}
        logits = sum(
            prediction.predict_logits(network, turned, turned_spacing, model, **options)
            for network in self.networks
        )
        probabilities = torch.softmax(logits / len(self.networks), 0).numpy()
        ours = np.zeros((self.model["highest"] + 1, *probabilities.shape[1:]), np.float32)
        for number, share in enumerate(probabilities):
            ours[self.model["table"].get(str(number), 0)] += share
        ours = np.transpose(ours, (0, *(axis + 1 for axis in back)))
        labels = np.argmax(ours, 0).astype(np.uint8)
        return (labels, ours) if softmax else labels


def _json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path.name} of the nnU-Net model can't be read ({error}).") from error


def _plain_plans(plans):
    """The plans with the one configuration, its network's class checked and named as in current nnU-Net."""
    if CONFIGURATION not in (plans.get("configurations") or {}):
        raise InputError(
            f"the nnU-Net model has no configuration {CONFIGURATION}. Use one that has."
        )
    handlers = imports.module("nnunetv2.utilities.plans_handling.plans_handler")
    configuration = handlers.PlansManager(plans).get_configuration(CONFIGURATION)
    if configuration.previous_stage_name is not None:
        raise InputError(
            "the nnU-Net model is the second stage of a cascade. Use 3d_fullres alone."
        )
    name = configuration.network_arch_class_name
    arguments = configuration.network_arch_init_kwargs
    needed = configuration.network_arch_init_kwargs_req_import
    parts = [value for key in needed if (value := arguments.get(key)) is not None]
    if not NETWORKS.fullmatch(str(name)) or not all(PARTS.fullmatch(str(p)) for p in parts):
        raise InputError(
            f"the plans of the nnU-Net model name {name} with {', '.join(map(str, parts))}: only nnU-Net's own networks "
            "(dynamic_network_architectures.architectures) and layers of torch.nn are built here."
        )
    return {
        "configurations": {
            CONFIGURATION: {
                "patch_size": [int(n) for n in configuration.patch_size],
                "spacing": [float(s) for s in configuration.spacing],
                "normalization_schemes": list(configuration.normalization_schemes),
                "architecture": {
                    "network_class_name": name,
                    "arch_kwargs": arguments,
                    "_kw_requires_import": list(needed),
                },
            }
        },
        "foreground_intensity_properties_per_channel": plans[
            "foreground_intensity_properties_per_channel"
        ],
        "transpose_forward": [int(i) for i in plans.get("transpose_forward", (0, 1, 2))],
    }


def _state(path):
    """(weights, mirrored axes) of one checkpoint."""
    try:
        with torch.serialization.safe_globals(_numpy_numbers()):
            content = torch.load(path, map_location="cpu", weights_only=True)
        weights = content["network_weights"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
        raise InputError(
            f"{path.parent.name}/{path.name} is no checkpoint of nnU-Net v2 that can be read without running code in it "
            f"({str(error).splitlines()[0][:120]})."
        ) from error
    clean = {re.sub(r"^(_orig_mod\.|module\.)+", "", key): value for key, value in weights.items()}
    return clean, content.get("inference_allowed_mirroring_axes")


def _numpy_numbers() -> list[Any]:
    """What NumPy's numbers in nnU-Net's log of a training are made of, by their old and new names."""
    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    kinds = [type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8", "u1", "?")]
    return [
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        np.dtype,
        *kinds,
    ]


def _table(labels, known, label_system):
    """{their number, as text: our number}."""
    if label_system:
        wanted = {ours: theirs for ours, theirs in label_system.items() if ours != "ignore"}
    else:
        aliases = totalsegmentator.names() | {"tumor": TUMORS}
        wanted = {}
        for ours in known:
            names = (ours, *aliases.get(ours, ()))
            wanted[ours] = [n for n in labels if _word(n) in set(map(_word, names))]
    table = {}
    for ours, theirs in wanted.items():
        if ours not in known:
            raise InputError(f"label_system names {ours!r}. Use {', '.join(known)}.")
        for one in theirs if isinstance(theirs, list | tuple) else [theirs]:
            number = labels.get(one, one) if isinstance(one, str) else one
            if number not in labels.values():
                raise InputError(
                    f"label_system: the nnU-Net model has no label {one!r}. It has {_listed(labels)}."
                )
            table[str(number)] = known[ours]
    if not table:
        raise InputError(
            f"none of the nnU-Net model's labels ({_listed(labels)}) has a name of ours. Add `label_system`: our "
            f"names ({', '.join(known)}) with its labels."
        )
    return table


def _word(name):
    return re.sub("[^a-z0-9]+", "_", str(name).lower())


def _listed(labels):
    return ", ".join(f"{name}: {value}" for name, value in labels.items() if value)
