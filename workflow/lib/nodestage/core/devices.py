"""Where a network runs."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # importing torch takes seconds
    import torch


def chosen(name: str | None = None) -> "torch.device":
    """The device of this name, else a GPU if there is one, else the CPU."""
    import torch

    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def computes_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 numbers itself; elsewhere they are slower than float32."""
    import torch

    known = torch.cpu.get_capabilities()
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))


def autocast(
    device: "torch.device", mixed: bool = False, on_gpu: "torch.dtype | None" = None
) -> AbstractContextManager:
    """Mixed precision where it pays: on a GPU always, on a CPU if `mixed`.

    On a CPU it is bfloat16, and only where the CPU has instructions for it; on a GPU `on_gpu`, or
    float16 as in nnU-Net.
    """
    import torch

    if device.type == "cuda":
        return torch.autocast("cuda", on_gpu)
    if mixed and device.type == "cpu" and computes_bfloat16():
        return torch.autocast("cpu", torch.bfloat16)
    return nullcontext()


@contextmanager
def repeatable(device: "torch.device") -> Iterator[None]:
    """Have a GPU add up in the same order each time, as the CPU does, and undo it afterwards.

    Where torch knows no such way (the 3D max pool's gradient) it warns. Costs time: long
    trainings have a separate switch (`deterministic` of a network in the config).
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
