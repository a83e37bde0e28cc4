"""A fold's training that is killed for good, or has too little memory."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import lymph_node_phantom as phantom
import numpy as np
import torch

from nodestage.core import checkpoints, logs
from nodestage.lymph_nodes import training
from nodestage.lymph_nodes.trainer import LymphNodeTrainer
from nodestage.nnunet import cases

SETTINGS = {**phantom.TINY, "network": {**phantom.TINY["network"], "epochs": 6}}
KILLS = 5


def train(output, work):
    fold = phantom.fold(split=(*phantom.SPLIT[:2], []))
    training.train_fold(fold, SETTINGS, phantom.run("", output=output, work=work))


def life(output, work, events, delay):
    """Train in a process of its own; kill it `delay` s after so many of its events began.

    Events are a patient prepared, a training step, a checkpoint written. Returns the number of
    the signal that ended it, negative, or 0 if it was done before.
    """
    command = [sys.executable, __file__, str(output), str(work)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        for _ in range(events):
            if not child.stdout.read(1):
                break
        time.sleep(delay)
        child.kill()
    return child.returncode


def tell(owner, name, writing):
    """Let a function write a byte whenever it begins."""
    original = getattr(owner, name)

    def telling(*args, **kwargs):
        os.write(writing, b".")
        return original(*args, **kwargs)

    setattr(owner, name, telling)


def test_a_training_killed_five_times_ends_with_the_same_bytes(tmp_path):
    """Killed (SIGKILL) at random, against an undisturbed one."""
    train(tmp_path / "undisturbed.pt", tmp_path / "undisturbed")
    draw = np.random.default_rng()
    output, work = tmp_path / "killed.pt", tmp_path / "killed"
    # Five patients come first; two networks of six epochs are 48 events more.
    for kill in range(KILLS):
        events, delay = int(draw.integers(3 if kill == 0 else 7, 11)), draw.uniform(0, 0.03)
        print(f"kill {kill + 1}: {delay:.3f} s after event {events}")
        assert life(output, work, events, delay) == -signal.SIGKILL
        assert not output.exists()
    train(output, work)
    assert output.read_bytes() == (tmp_path / "undisturbed.pt").read_bytes()


def under_a_limit(output, work, mib):
    """Train patches that want some 500 MiB, as a job does, when `mib` more may be taken."""
    network = {**SETTINGS["network"], "patch_size": [32, 48, 48], "features": [32, 32, 32]}
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    patients = phantom.cohort()
    resource.setrlimit(resource.RLIMIT_AS, (held + mib * 2**20,) * 2)
    with logs.to(output.with_suffix(".log")):
        settings = {**SETTINGS, "network": network}
        training.train_fold(
            phantom.fold(patients, (*phantom.SPLIT[:2], [])),
            settings,
            phantom.run("", output=output, work=work, label="fold 0"),
        )


def test_a_training_under_a_memory_limit_ends_soon_and_names_memory_and_the_setting(tmp_path):
    command = [sys.executable, __file__, tmp_path / "model.pt", tmp_path / "work", "150"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: fold 0") and "out of memory with patches of [32, 48, 48]" in last
    assert "`patch_size`" in last and "`jobs.train.mem_mb`" in last
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "model.pt").exists()


if __name__ == "__main__" and len(sys.argv) > 3:
    torch.set_num_threads(1)
    under_a_limit(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
elif __name__ == "__main__":
    events = os.dup(sys.stdout.fileno())
    for owner, name in (
        (cases, "preprocess"),
        (LymphNodeTrainer, "train_step"),
        (checkpoints, "save"),
    ):
        tell(owner, name, events)
    sys.stdout = open(os.devnull, "w")
    train(Path(sys.argv[1]), Path(sys.argv[2]))
