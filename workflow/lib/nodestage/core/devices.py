"""Where a network runs."""

import os
from contextlib import contextmanager


def chosen(given=None):
    """The device that is asked for, else a GPU if there is one, else the CPU (torch.device)."""
    import torch

    return torch.device(given or ("cuda" if torch.cuda.is_available() else "cpu"))


@contextmanager
def repeatable(device):
    """Have a GPU add up in the same order each time, as the CPU does, and undo it afterwards.

    Where torch knows no such way (the 3D max pool's gradient) it warns. Costs time: a training of
    days has its own switch (`deterministic` of a network in the config).
    """
    import torch

    if device.type != "cuda":
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
            yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)
