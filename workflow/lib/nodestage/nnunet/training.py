"""A training that can be killed at any time and resumes to the same weights."""

import hashlib
import json
import math
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from nodestage.core import checkpoints, devices, learning, logs, memory
from nodestage.core.errors import InputError, TrainingError
from nodestage.core.run import Run, TrainingSet
from nodestage.core.training import Checkpoint, weights_of
from nodestage.nnunet import cases
from nodestage.nnunet.environment import environment
from nodestage.nnunet.network import CONFIGURATION
from nodestage.nnunet.settings import Plan
from nodestage.nnunet.trainer import Trainer

EVERY = 10.0  # seconds between two lines of progress
# Training patches on which a finished network is tested: with 20, the Dice of one network is 0.26 or 0.48.
LEARNED_PATCHES = 80


def train(
    plan: Plan,
    patients: TrainingSet,
    run: Run,
    *,
    trainer: type[Trainer] = Trainer,
    choose: str = "last",
    initial: dict[str, torch.Tensor] | None = None,
) -> dict:
    """Train one network and return it as a plain dict (`export`).

    After every epoch the whole state is written; a training that was killed resumes from there and
    ends with the weights of an undisturbed one (same thread count, no worker processes). A state of
    other data, plans or seed is not used.

    Parameters
    ----------
    plan : from `plans.make_plans`
    patients : their codes; there may be no validation patients
    run : `cases.preprocess` saved the patients below `work`; `output` is the checkpoint, which the
        caller deletes
    trainer : Trainer or a subclass of it
    choose : "last" epoch, or "best" by nnU-Net's moving average of the validation Dice
    initial : state dict to start from, or None
    """
    if not patients.train:
        raise InputError(
            f"{run.label}: there is no patient to train on. Add patients with this mask."
        )
    if choose not in ("last", "best"):
        raise ValueError(f"choose is 'last' or 'best', not {choose!r}")
    patients = TrainingSet(sorted(patients.train), sorted(patients.validation))
    identity = _identity(plan, patients, run, [trainer.__name__, choose], initial)
    torch.set_num_threads(run.threads)
    device = devices.chosen(run.device)
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = plan.training.deterministic
        torch.backends.cudnn.benchmark = not plan.training.deterministic
    with environment(
        nnUNet_preprocessed=str(run.work),
        nnUNet_results=str(Path(run.output).parent),
        nnUNet_raw=str(run.work),
        nnUNet_n_proc_DA="0",
        nnUNet_wandb_enabled="0",
    ):
        checkpoints.seed_all(run.seed)
        # nnU-Net removes this key from the plans that it receives.
        plans = {**json.loads(json.dumps(plan.plans)), "continue_training": False}
        running = trainer(plans, CONFIGURATION, 0, plan.dataset_json, device)
        running.configure(plan.training, patients)
        try:
            running.on_train_start()
            if initial is not None:
                module(running.network).load_state_dict(initial)
            return _cycles(
                running, Checkpoint(run.output, identity), run.label, choose, plan.section
            )
        except (MemoryError, RuntimeError) as error:
            # A worker that has disappeared was killed, nearly always for memory.
            if memory.refused(error) or "workers are no longer alive" in str(error):
                raise _out_of_memory(run.label, plan.plans) from error
            raise
        finally:
            running.finish()


def _cycles(running, checkpoint, label, choose, section):
    """Train for one cycle of epochs, and for another while the network has not fitted its training data."""
    best = {"best": None, "best_epoch": -1}
    if (state := checkpoint.read(label)) is not None:
        best = _restore(running, state)
        logs.say(f"{label}: resumes after epoch {running.current_epoch}")
    # A training that was killed between two cycles ends the first one again, without an epoch.
    cycles = max(1, math.ceil(running.current_epoch / running.num_epochs))
    while True:
        end = cycles * running.num_epochs
        weights, epoch = _epochs(running, end, checkpoint, label, choose, best)
        last = _weights(running)
        dice = _dice(running, weights)
        if learning.enough(learning.DICE, dice) or cycles >= running.settings.cycles:
            model = export(running, weights, epoch)
            return model | {"learned": _learned(model, dice, label, section)}
        logs.say(f"{label}: Dice {dice:.2f} on its training data, one more cycle of training")
        module(running.network).load_state_dict(last)
        cycles += 1


def _epochs(running, end, checkpoint, label, choose, best):
    """Train to the epoch `end`; (weights, epoch) to keep, which `best` holds from cycle to cycle."""
    steps = iter(Steps(running, end, label))
    for _ in range(running.current_epoch, end):
        _epoch(running, end, steps)
        # Plain numbers, as a checkpoint gives them back: averages then round the same way.
        running.logger.load_checkpoint(checkpoints.plain(running.logger.get_checkpoint()))
        ema = running.logger.get_value("ema_fg_dice", step=None)
        if choose == "best" and ema and (running._best_ema is None or ema[-1] > running._best_ema):
            running._best_ema = float(ema[-1])
            best.update(best=_weights(running), best_epoch=running.current_epoch)
        running.current_epoch += 1
        checkpoint.write(_state(running) | best)
    next(steps, None)
    if best["best"] is not None:
        return best["best"], best["best_epoch"] + 1
    return _weights(running), running.current_epoch


def _dice(running, weights):
    """Dice of these weights over patches of the training patients, augmented as in training.

    Mean of the classes that occur in them; None where none does.
    """
    module(running.network).load_state_dict(weights)
    running.network.eval()
    batches = math.ceil(LEARNED_PATCHES / running.batch_size)
    with torch.no_grad():
        counts = [running.validation_step(next(running.dataloader_train)) for _ in range(batches)]
    hit, wrong, missed = (
        np.sum([count[key] for count in counts], axis=0)
        for key in ("tp_hard", "fp_hard", "fn_hard")
    )
    total = 2 * hit + wrong + missed
    return (2 * hit[total > 0] / total[total > 0]).mean() if (total > 0).any() else None


def _learned(model, dice, label, section):
    """The record of how well a network has fitted its training data; see `core.learning`."""
    under = f" under `{section}`" if section else ""
    return learning.fitted(
        label,
        learning.DICE,
        dice,
        model["history"]["train_losses"][-1],
        f"Raise `epochs` or `iterations_per_epoch`{under}, or let it work on smaller voxels (`spacing_mm`)",
    )


class Steps:
    """Counts the steps of a training and reports how long the rest will take."""

    def __init__(self, running, end, label):
        left = end - running.current_epoch
        self.label, self.total = label, left * running.num_iterations_per_epoch

    def __iter__(self):
        yield from logs.progress(range(self.total), self.label, total=self.total, every=EVERY)


def _epoch(running, end, steps):
    """One epoch as in nnU-Net's `run_training`, with validation only where there are patients."""
    started = time.monotonic()
    running.on_epoch_start()
    running.on_train_epoch_start()
    outputs = []
    for _ in range(running.num_iterations_per_epoch):
        next(steps)
        outputs.append(running.train_step(next(running.dataloader_train)))
    running.on_train_epoch_end(outputs)
    dice = ""
    if running.patients.validation and running.num_val_iterations_per_epoch:
        with torch.no_grad():
            running.on_validation_epoch_start()
            running.on_validation_epoch_end(
                [
                    running.validation_step(next(running.dataloader_val))
                    for _ in range(running.num_val_iterations_per_epoch)
                ]
            )
        dice = f", validation Dice {running.logger.get_value('mean_fg_dice', step=-1):.3f}"
    print(
        f"epoch {running.current_epoch + 1} of {end}: "
        f"loss {running.logger.get_value('train_losses', step=-1):.4f}{dice}, "
        f"{time.monotonic() - started:.1f} s",
        flush=True,
    )


def module(network):
    """The network itself, also where torch.compile has wrapped it."""
    return getattr(network, "_orig_mod", network)


def _weights(running):
    return weights_of(module(running.network))


def _state(running):
    """What a resumed training needs, apart from the kept weights."""
    scaler = running.grad_scaler
    return {
        "epoch": running.current_epoch,
        "weights": _weights(running),
        "optimizer": running.optimizer.state_dict(),
        "scaler": scaler.state_dict() if scaler is not None else None,
        "logging": running.logger.get_checkpoint(),
        "best_ema": running._best_ema,
        "random": checkpoints.random_state(),
    }


def _restore(running, state):
    """Set a training to a state of `_state`; the kept weights that were written with it."""
    module(running.network).load_state_dict(state["weights"])
    running.optimizer.load_state_dict(state["optimizer"])
    if running.grad_scaler is not None and state["scaler"] is not None:
        running.grad_scaler.load_state_dict(state["scaler"])
    running.logger.load_checkpoint(state["logging"])
    running._best_ema = state["best_ema"]
    running.current_epoch = state["epoch"]
    checkpoints.restore_random_state(state["random"])
    return {"best": state["best"], "best_epoch": state["best_epoch"]}


def export(running, weights=None, epoch=None):
    """A trained network as plain values, for `checkpoints.save` and `weights_only=True`.

    Keys: `weights` (state dict), `plans`, `dataset_json`, `settings` (of the training), `trainer`
    (class name), `epoch`, `history` (one value per epoch), `mirror_axes`, `digest`; `train` adds
    `learned`.
    """
    weights = weights if weights is not None else _weights(running)
    history = running.logger.get_checkpoint()
    return checkpoints.plain(
        {
            "weights": weights,
            "plans": running.plans_manager.plans,
            "dataset_json": running.dataset_json,
            "settings": asdict(running.settings),
            "trainer": type(running).__name__,
            "epoch": epoch if epoch is not None else running.current_epoch,
            "history": {k: history[k] for k in ("train_losses", "mean_fg_dice", "ema_fg_dice")},
            "mirror_axes": list(running.inference_allowed_mirroring_axes or ()),
            "digest": checkpoints.digest(weights),
        }
    )


def _identity(plan, patients, run, options, initial):
    """Digest of all that a checkpoint must agree on to be used again."""
    return hashlib.sha256(
        json.dumps(
            [
                plan.plans,
                asdict(plan.training),
                plan.dataset_json,
                patients,
                options,
                run.seed,
                checkpoints.digest(initial) if initial is not None else None,
                cases.digests(
                    run.work, plan.plans, sorted({*patients.train, *patients.validation})
                ),
            ],
            sort_keys=True,
        ).encode()
    ).hexdigest()


def _out_of_memory(label, plans):
    configuration = plans["configurations"][CONFIGURATION]
    return TrainingError(
        f"{label}: out of memory with patches of {configuration['patch_size']} voxels, "
        f"{configuration['batch_size']} at a time. Make `patch_size`, `features` or `batch_size` "
        "of this network smaller, or give the job more memory (`jobs.train.mem_mb`)."
    )
