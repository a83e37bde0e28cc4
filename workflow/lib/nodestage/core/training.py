"""The training loop of the networks that nnU-Net does not train: identification, patient networks.

It sets the learning rate of each step, checks the network on its validation data, keeps the best or
the last weights, stops at a loss that is no longer finite, and resumes a training that was killed.
The `Learner` defines a step and the validation loss. nnU-Net's trainer has another loop
(`nnunet.training`), which shares `Checkpoint` and `weights_of`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from nodestage.core import checkpoints, learning, logs
from nodestage.core.errors import TrainingError
from nodestage.core.optimizers import Optimizer


@dataclass(frozen=True)
class Schedule:
    """When a training is checked, and how fast it learns.

    Attributes
    ----------
    checks : numbers of steps, ascending, after which training and validation loss are recorded; the
        last one ends the training, or its cycle
    rate : learning rate of a step, steps counted from 0 in each cycle
    choose : weights to keep: of the check with the `best` validation loss (the earliest of equals),
        or of the `last` step. Without validation data the last.
    hint : what to change if the loss becomes infinite, as a sentence
    cycles : how often the steps are run through at most: once more only where the network has not fitted
        its own training data (`core.learning`)
    """

    checks: tuple[int, ...]
    rate: Callable[[int], float]
    choose: str
    hint: str
    cycles: int = 1

    def __post_init__(self) -> None:
        if self.choose not in ("best", "last"):
            raise ValueError(f"choose is 'best' or 'last', not {self.choose!r}")
        if not self.checks or any(
            later <= earlier for earlier, later in pairwise((0, *self.checks))
        ):
            raise ValueError(f"checks must ascend from 1, not {self.checks}")
        if self.cycles < 1:
            raise ValueError(f"cycles is at least 1, not {self.cycles}")

    @property
    def steps(self) -> int:
        """Steps of a cycle."""
        return self.checks[-1]


class Learner(Protocol):
    """A network in training."""

    network: torch.nn.Module
    optimizer: Optimizer

    def step(self, number: int) -> float:
        """Take step `number` (from 0) and return its loss."""

    def validation_loss(self) -> float | None:
        """Loss on the validation data; None without any."""

    def training_auc(self) -> float | None:
        """AUC of the network on its training data; None where a class is missing."""


@dataclass
class Trained:
    """What `train` returns, and what it resumes from.

    Attributes
    ----------
    step : the step whose weights are kept, from 1, over all cycles
    weights : state dict of that step, on the CPU
    train_loss : one value per check, mean of the steps since the check before
    validation_loss : one value per check; empty without validation data
    training_auc : of the kept weights, see `Learner`
    """

    step: int = 0
    weights: dict[str, torch.Tensor] | None = None
    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    training_auc: float | None = None


class Checkpoint:
    """A file with the whole state of a training, written over after each check.

    Parameters
    ----------
    path : of the file
    identity : plain value of all that the weights depend on; a state of another identity is not used
    """

    def __init__(self, path: str | Path, identity: Any):
        self.path, self.identity = Path(path), identity

    def read(self, label: str) -> dict | None:
        """The state, or None where there is none of this identity."""
        if not self.path.exists():
            return None
        state = checkpoints.load(self.path)
        if state["identity"] != self.identity:
            print(
                f"{label}: the checkpoint is of other data or settings and is not used", flush=True
            )
            return None
        return state

    def write(self, state: dict) -> None:
        """Replace the state, whole or not at all."""
        checkpoints.save(self.path, {"identity": self.identity, **state})


def checks_of(steps: int, number: int) -> tuple[int, ...]:
    """`number` checks spread evenly over `steps`, fewer where there are fewer steps; the last at the end."""
    return tuple(sorted({round(steps * (i + 1) / number) for i in range(number)} - {0}))


def train(
    learner: Learner, schedule: Schedule, label: str, checkpoint: Checkpoint | None = None
) -> Trained:
    """Train the learner's network in place to the last step, and leave it with the weights that are kept.

    With a checkpoint, a training that was killed resumes after its last check and ends with the
    weights of an undisturbed one, provided that a learner's draws depend on the step's number alone.

    Raises TrainingError where the loss is no longer finite.
    """
    network, optimizer = learner.network, learner.optimizer
    trained, done = Trained(), 0
    if checkpoint is not None and (state := checkpoint.read(label)) is not None:
        network.load_state_dict(state["weights"])
        optimizer.load_state_dict(state["optimizer"])
        trained, done = Trained(**state["trained"]), state["step"]
        logs.say(f"{label}: resumes after step {done}")
    # A training that was killed between two cycles ends the first one again, without a step.
    cycles = max(1, math.ceil(done / schedule.steps))
    while True:
        end = cycles * schedule.steps
        _steps(learner, schedule, label, checkpoint, trained, range(done, end))
        last = weights_of(network)
        # Without weights to keep no validation loss was a number.
        step, kept = (end, last) if trained.weights is None else (trained.step, trained.weights)
        network.load_state_dict(kept)
        auc = learner.training_auc()
        if learning.enough(learning.AUC, auc) or cycles >= schedule.cycles:
            return replace(trained, step=step, weights=kept, training_auc=auc)
        logs.say(f"{label}: AUC {auc:.2f} on its training data, one more cycle of training")
        network.load_state_dict(last)
        done, cycles = end, cycles + 1


def _steps(
    learner: Learner,
    schedule: Schedule,
    label: str,
    checkpoint: Checkpoint | None,
    trained: Trained,
    steps: range,
) -> None:
    """Take the steps of a cycle that are left; `trained` is kept up to date, and so is the checkpoint."""
    network, optimizer = learner.network, learner.optimizer
    losses: list[float] = []
    for step in logs.progress(steps, label):
        optimizer.rate = schedule.rate(step % schedule.steps)
        losses.append(learner.step(step))
        if not np.isfinite(losses[-1]):
            raise TrainingError(
                f"{label}: the loss became {losses[-1]} in step {step + 1} of {steps.stop}. {schedule.hint}"
            )
        if step % schedule.steps + 1 in schedule.checks:
            _check(learner, schedule, trained, step + 1, steps.stop, losses)
            losses = []
            if checkpoint is not None:
                checkpoint.write(
                    {
                        "step": step + 1,
                        "weights": weights_of(network),
                        "optimizer": optimizer.state_dict(),
                        "trained": vars(trained),
                    }
                )


def _check(
    learner: Learner,
    schedule: Schedule,
    trained: Trained,
    step: int,
    end: int,
    losses: list[float],
) -> None:
    """Record the losses, and keep the weights if they are to be kept."""
    trained.train_loss.append(float(np.mean(losses)))
    loss = learner.validation_loss()
    line = f"step {step} of {end}: cross entropy {trained.train_loss[-1]:.4f}"
    print(line if loss is None else f"{line}, validation {loss:.4f}", flush=True)
    best = min(trained.validation_loss, default=np.inf)
    if loss is not None:
        trained.validation_loss.append(loss)
    if schedule.choose == "best" and loss is not None:
        keep = loss < best
    else:
        keep = step == end
    if keep:
        trained.step, trained.weights = step, weights_of(learner.network)


def weights_of(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A copy of the network's weights on the CPU, which a later step leaves as it is."""
    return {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in network.state_dict().items()
    }
