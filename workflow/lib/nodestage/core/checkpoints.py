"""Files of models and training states: written whole or not at all, with a digest inside, plain values only.

Plain values are tensors, numbers, strings, lists and dicts: `weights_only=True` loads them. torch's archive is
a zip file whose checksums torch does not compare. Its comment, at the end, therefore holds the SHA-256 of all
bytes before it, so that damage is detected wherever the file or a copy of it is opened.
"""

import hashlib
import os
import pickle
import random
import struct
import zipfile

import numpy as np
import torch

from nodestage.core import files
from nodestage.core.errors import InputError

DIGEST = 64  # characters of a SHA-256


def save(path, value):
    """Write `value` at `path`, whole or not at all; equal values give equal bytes."""
    # Through a handle: given a path, torch writes the temporary file's name into the archive.
    with files.whole(path) as temporary, open(temporary, "w+b") as handle:
        torch.save(plain(value), handle)
        handle.flush()
        handle.seek(0)
        written = hashlib.file_digest(handle, "sha256").hexdigest()
        # The archive's last two bytes are the length of its comment, 0 so far.
        handle.seek(-2, os.SEEK_END)
        handle.write(struct.pack("<H", DIGEST) + written.encode())


def load(path, device="cpu", mmap=False):
    """The plain value that `save` wrote; with `mmap`, tensors stay on the disk until they are used.

    Raises
    ------
    InputError where the file was changed after it was written
    """
    _check_whole(path)
    try:
        return torch.load(path, map_location=device, weights_only=True, mmap=mmap)
    except (EOFError, pickle.UnpicklingError) as error:
        raise _damaged(path, "is not a model of nodestage") from error


def _check_whole(path):
    """Compare a model's bytes with its digest, or with the archive's checksums where it has none."""
    size = os.path.getsize(path)
    with open(path, "rb") as handle:
        handle.seek(max(0, size - DIGEST - 2))
        end = handle.read()
    digest = end[2:]
    try:
        with zipfile.ZipFile(path) as archive:
            plain_end = not archive.comment and end[-22:].startswith(b"PK\5\6")
            if plain_end and archive.testzip() is None:
                return  # as torch writes it, and as nodestage 0.1 did
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise _damaged(path, "is cut short, or is not a model") from error
    if plain_end or end[:2] != struct.pack("<H", DIGEST):
        raise _damaged(path, "has a changed byte (a checksum differs)")
    sha256, left = hashlib.sha256(), size - DIGEST - 2
    with open(path, "rb") as handle:
        while left:
            part = handle.read(min(left, 1 << 22))
            sha256.update(part)
            left -= len(part)
    sha256.update(b"\0\0")  # the length of the comment that was not there yet
    if sha256.hexdigest().encode() != digest:
        raise _damaged(path, "has a changed byte (its SHA-256 is not the one written)")


def _damaged(path, what):
    return InputError(
        f"{path} {what}: it was damaged after it was written. Delete it and run again: the workflow makes it anew. "
        "If it came in a bundle, copy the bundle again."
    )


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
