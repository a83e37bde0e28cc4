"""Pretrained weights from a local file: digest checked, every key accounted for."""

import pickle

import torch

from nodestage.core import files
from nodestage.core.errors import InputError
from nodestage.methods.fusion import published

FROM_SCRATCH = "from scratch"
LAYERS_TO_FREEZE = ("conv1", "bn1", "layer1", "layer2", "layer3")


def wanted(pretrained):
    """Whether the settings name a file of weights; `none` is a word a user may write."""
    return bool(pretrained) and pretrained.get("path") not in (None, "", "none")


def load(trunk, pretrained):
    """Load the trunk of a published ResNet-18 (2D: ImageNet; 3D: Kinetics/MiT).

    Parameters
    ----------
    trunk : ResNet18
    pretrained : None, or {"path": file, "sha256": its digest}

    Returns
    -------
    str, where the weights come from, for the log and every report

    The file holds a state dict, or a dict with one under `state_dict` whose keys may begin
    with `module.`. Its classifier (`fc.weight`, `fc.bias`) is not used. Old ImageNet files
    lack batch norm's `num_batches_tracked`, which only counts; any other missing or
    additional key, or another shape, is an error.
    """
    if not wanted(pretrained):
        return FROM_SCRATCH
    state = _read(published.located(pretrained["path"]), pretrained.get("sha256"))
    state = {key.removeprefix("module."): value for key, value in state.items()}
    missing = {"fc.weight", "fc.bias"} - set(state)
    state = {key: value for key, value in state.items() if not key.startswith("fc.")}
    expected = {k: v for k, v in trunk.state_dict().items() if not k.startswith("mask_branch.")}
    missing |= {k for k in expected if k not in state and not k.endswith("num_batches_tracked")}
    extra = set(state) - set(expected)
    shapes = {k for k in state if k in expected and state[k].shape != expected[k].shape}
    if missing or extra or shapes:
        raise InputError(
            "the pretrained weights are not those of this ResNet-18: "
            f"{len(missing)} keys missing {sorted(missing)[:3]}, {len(extra)} too many "
            f"{sorted(extra)[:3]}, {len(shapes)} of another shape {sorted(shapes)[:3]}. "
            "Set `pretrained.path` to the right file and leave the network its `width` of 64, or set the "
            "path to none to train from scratch."
        )
    trunk.load_state_dict(state, strict=False)
    return f"pretrained, sha256 {pretrained['sha256'][:12]}"


def freeze(trunk):
    """Keep conv1 to layer3 as they were pretrained; the mask branch goes on learning.

    Frozen batch norms must also stay in evaluation mode: see `training`.
    """
    for name in LAYERS_TO_FREEZE:
        getattr(trunk, name).requires_grad_(False)


def _read(path, sha256):
    if not path.is_file():
        raise InputError(
            "the file of pretrained weights is missing. Set `pretrained.path`, or none "
            "to train from scratch."
        )
    if not sha256:
        raise InputError("`pretrained.sha256` is empty: give the digest of the weights' file.")
    digest = files.digest(path)
    if digest != sha256.lower():
        raise InputError(
            f"the pretrained weights have sha256 {digest}, but `pretrained.sha256` is {sha256}. "
            "Fetch the file again, or correct the digest."
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise InputError(
            "the file of pretrained weights holds something else than tensors and plain values, or is damaged "
            f"({str(error).splitlines()[0][:120]}). No code in it was run. Give a file of weights alone."
        ) from error
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(
            "the file of pretrained weights holds no state dict: names and their tensors, alone or under "
            "`state_dict`."
        )
    return state
