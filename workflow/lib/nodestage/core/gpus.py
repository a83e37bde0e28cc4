"""Whether this machine has a GPU for the jobs that ask for one, checked before a run begins."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from nodestage.core.errors import InputError

DEVICES = Path("/dev")
KINDS = ("nvidia[0-9]*", "dxg", "kfd")
"""NVIDIA's GPUs; Windows' GPU seen from WSL; AMD's."""


def seen(devices: Path = DEVICES, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this machine has a GPU, by its device files: importing torch takes seconds."""
    if environment.get("CUDA_VISIBLE_DEVICES", "any") in ("", "-1", "NoDevFiles"):
        return False
    return any(any(devices.glob(kind)) for kind in KINDS)


def check(
    asking: Sequence[str],
    jobs: Mapping[str, dict],
    devices: Path = DEVICES,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Refuse a run on this machine of jobs that ask for a GPU where none is seen.

    Parameters
    ----------
    asking : names of the rules with such jobs; nothing is refused where there are none
    jobs : the config's `jobs`, to name the keys that help
    """
    if not asking or seen(devices, environment):
        return
    kinds = ", ".join(f"{name}: {{gpu: 0}}" for name, job in jobs.items() if job.get("gpu"))
    raise InputError(
        f"No GPU is seen on this machine, and these jobs ask for one: {', '.join(asking)}. "
        "At full size a training takes hours on a GPU and is not feasible without one "
        "(docs/benchmarks.md, Time, memory, disk). Run this on a machine with a GPU, or on a cluster "
        "(--workflow-profile profiles/slurm; a login node needs none). To try out sheet, images and "
        "masks here with the small networks of the simulated study: make run STUDY=... "
        "PRESET=config/config.yaml. To train without a GPU all the same, put into the study's "
        f"config.yaml: jobs: {{{kinds}}}."
    )
