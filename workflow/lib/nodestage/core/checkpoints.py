"""Training states that are written whole and hold the random number generators.

A state is plain: tensors, numbers, strings, lists, dicts. So `weights_only=True` loads it.
"""

import hashlib
import random

import numpy as np
import torch

from nodestage.core import files


def save(path, value):
    """Write `value` at `path`, whole or not at all; equal values give equal bytes."""
    # Through a handle: given a path, torch writes the temporary file's name into the archive.
    with files.whole(path) as temporary, open(temporary, "wb") as handle:
        torch.save(plain(value), handle)


def load(path, device="cpu", mmap=False):
    """The plain value that `save` wrote; with `mmap`, tensors stay on the disk until looked at."""
    return torch.load(path, map_location=device, weights_only=True, mmap=mmap)


def random_state():
    """State of every generator that a training draws from."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    return {
        "python": list(random.getstate()[1]),
        "numpy": [kind, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, gauss],
        "torch": torch.get_rng_state(),
        "cuda": [state.cpu() for state in torch.cuda.get_rng_state_all()],
    }


def restore_random_state(state):
    """Set every generator back to a state that `random_state` gave."""
    random.setstate((3, tuple(state["python"]), None))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.cpu().numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"]:
        torch.cuda.set_rng_state_all([s.cpu() for s in state["cuda"]])


def seed_all(seed):
    """Seed every generator that a training draws from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def plain(value):
    """The same value of plain Python types and CPU tensors."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu()
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    return value.item() if isinstance(value, np.generic) else value


def digest(weights):
    """SHA-256 over names, shapes and values of a state dict."""
    sha256 = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        sha256.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        sha256.update(tensor.numpy().tobytes())
    return sha256.hexdigest()
