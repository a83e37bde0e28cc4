"""A fold's training, killed for good (SIGKILL) five times at random, against an undisturbed one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import lymph_node_phantom as phantom
import numpy as np

from nodestage.lymph_nodes import training
from nodestage.lymph_nodes.trainer import LymphNodeTrainer
from nodestage.nnunet import cases, checkpoints

SETTINGS = {**phantom.TINY, "network": {**phantom.TINY["network"], "epochs": 6}}
KILLS = 5


def train(output, work):
    training.train_fold(phantom.cohort(), *phantom.SPLIT[:2], [], SETTINGS, 1, output, work)


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


if __name__ == "__main__":
    events = os.dup(sys.stdout.fileno())
    for owner, name in (
        (cases, "preprocess"),
        (LymphNodeTrainer, "train_step"),
        (checkpoints, "save"),
    ):
        tell(owner, name, events)
    sys.stdout = open(os.devnull, "w")
    train(Path(sys.argv[1]), Path(sys.argv[2]))
