"""Whether jobs that ask for a graphics card would find one, before a run of days begins without."""

import os
from pathlib import Path

from nodestage.core.errors import InputError

DEVICES = Path("/dev")
KINDS = ("nvidia[0-9]*", "dxg", "kfd")
"""NVIDIA's cards; Windows' card seen from WSL; AMD's."""


def seen(devices=DEVICES, environment=os.environ):
    """Whether this machine shows a card; cheap, since importing torch to ask takes seconds."""
    if environment.get("CUDA_VISIBLE_DEVICES", "any") in ("", "-1", "NoDevFiles"):
        return False
    return any(any(devices.glob(kind)) for kind in KINDS)


def check(asking, jobs, devices=DEVICES, environment=os.environ):
    """Refuse a run on this machine of jobs that ask for a card where none is seen.

    Parameters
    ----------
    asking : names of the rules with such jobs; nothing is refused where there are none
    jobs : the config's `jobs`, to name the keys that mend it
    """
    if not asking or seen(devices, environment):
        return
    kinds = ", ".join(f"{name}: {{gpu: 0}}" for name, job in jobs.items() if job.get("gpu"))
    raise InputError(
        f"No graphics card is seen on this machine, and these jobs ask for one: {', '.join(asking)}. "
        "At full size a training takes hours on a card and is not feasible without one "
        "(docs/benchmarks.md, Time, memory, disk). Run this on a machine with a card, or on a cluster "
        "(--workflow-profile profiles/slurm; a login node needs none). To try out sheet, images and "
        "masks here with the small networks of the simulated study: make run STUDY=... "
        "PRESET=config/config.yaml. To train without a card all the same, put into the study's "
        f"config.yaml: jobs: {{{kinds}}}."
    )
