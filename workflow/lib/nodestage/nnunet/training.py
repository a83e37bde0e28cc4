"""A training that can be killed at any time and goes on to the same weights."""

import hashlib
import json
import time
from pathlib import Path

import numpy as np
import torch

from nodestage.core import checkpoints, devices, learning, logs, memory
from nodestage.core.errors import InputError, TrainingError
from nodestage.nnunet import cases
from nodestage.nnunet.environment import environment
from nodestage.nnunet.network import CONFIGURATION
from nodestage.nnunet.trainer import Trainer

EVERY = 10.0  # seconds between two lines of progress
LEARNED_BATCHES = 10  # of training patches, on which a finished network is tried


def train(
    folder,
    patients_train,
    patients_validation,
    plans,
    dataset_json,
    *,
    trainer=Trainer,
    seed=0,
    output,
    device=None,
    label="training",
    resume=True,
    own=None,
    choose="last",
    threads=1,
    initial=None,
    section="",
):
    """Train one network and return it as a plain dict (`export`).

    After every epoch the whole state is written to `output`; a training that was killed goes
    on from there and ends with the weights of an undisturbed one (same thread count, no
    worker processes). A state of other data, plans or seed is not taken up.

    Parameters
    ----------
    folder : root below which `cases.preprocess` saved the patients
    patients_train, patients_validation : lists of patient codes; validation may be empty
    plans, dataset_json : from `plans.make_plans`
    trainer : Trainer or a subclass of it
    seed : int
    output : folder for the checkpoint, the caller's to delete
    device : "cpu", "cuda"; None takes a GPU where there is one
    label : str, named in the lines of progress
    own : dict laid over `plans["nodestage"]`, where the trainer finds it as `self.own`
    choose : "last" epoch, or "best" by nnU-Net's moving average of the validation Dice
    threads : CPU threads
    initial : state dict to start from, or None
    section : where the config holds this network's settings ("tumor.network"), for a warning
    """
    if not patients_train:
        raise InputError(f"{label}: there is no patient to train on. Add patients with this mask.")
    if choose not in ("last", "best"):
        raise ValueError(f"choose is 'last' or 'best', not {choose!r}")
    plans = json.loads(json.dumps(plans))
    plans["nodestage"].update(own or {})
    patients = sorted(patients_train), sorted(patients_validation)
    identity = _identity(folder, plans, dataset_json, patients, trainer, seed, choose, initial)
    checkpoint = Path(output, "checkpoint.pt")
    torch.set_num_threads(threads)
    device = devices.chosen(device)
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = bool(plans["nodestage"].get("deterministic"))
        torch.backends.cudnn.benchmark = not torch.backends.cudnn.deterministic
    with environment(
        nnUNet_preprocessed=str(folder),
        nnUNet_results=str(output),
        nnUNet_raw=str(folder),
        nnUNet_n_proc_DA="0",
        nnUNet_wandb_enabled="0",
    ):
        checkpoints.seed_all(seed)
        # nnU-Net takes this key out of the plans that it is given.
        running = trainer(
            {**json.loads(json.dumps(plans)), "continue_training": False},
            CONFIGURATION,
            0,
            dataset_json,
            device,
        )
        running.patients = patients
        try:
            return _run(running, checkpoint, identity, label, resume, choose, initial, section)
        except (MemoryError, RuntimeError) as error:
            # A worker that is no longer there was killed, nearly always for memory.
            if memory.refused(error) or "workers are no longer alive" in str(error):
                raise _out_of_memory(label, plans) from error
            raise
        finally:
            running.finish()


def _run(running, checkpoint, identity, label, resume, choose, initial, section):
    running.on_train_start()
    if initial is not None:
        module(running.network).load_state_dict(initial)
    state = {"best": None, "best_epoch": -1}
    if resume and checkpoint.exists():
        found = checkpoints.load(checkpoint)
        if found["identity"] == identity:
            state = _take_up(running, found)
            logs.say(
                f"{label}: goes on after epoch {running.current_epoch} of {running.num_epochs}"
            )
        else:
            print(f"{label}: a checkpoint of other data or settings is left aside")
    steps = iter(Steps(running, label))
    for _ in range(running.current_epoch, running.num_epochs):
        _epoch(running, steps)
        # Plain numbers, as a checkpoint gives them back: averages then round the same way.
        running.logger.load_checkpoint(checkpoints.plain(running.logger.get_checkpoint()))
        ema = running.logger.get_value("ema_fg_dice", step=None)
        if choose == "best" and ema and (running._best_ema is None or ema[-1] > running._best_ema):
            running._best_ema = float(ema[-1])
            state = {"best": _weights(running), "best_epoch": running.current_epoch}
        running.current_epoch += 1
        checkpoints.save(checkpoint, _put_down(running, identity, state))
    next(steps, None)
    chosen = state["best"] if choose == "best" and state["best"] is not None else None
    epoch = state["best_epoch"] + 1 if chosen is not None else running.current_epoch
    model = export(running, chosen, epoch)
    return model | {"learned": _learned(running, model, label, section)}


def _learned(running, model, label, section):
    """How well the network segments patches of its own training patients; see `core.learning`.

    Dice over all patches, mean of the classes that occur in them, augmented as in training.
    """
    module(running.network).load_state_dict(model["weights"])
    running.network.eval()
    with torch.no_grad():
        counts = [
            running.validation_step(next(running.dataloader_train)) for _ in range(LEARNED_BATCHES)
        ]
    hit, wrong, missed = (
        np.sum([count[key] for count in counts], axis=0)
        for key in ("tp_hard", "fp_hard", "fn_hard")
    )
    total = 2 * hit + wrong + missed
    value = (2 * hit[total > 0] / total[total > 0]).mean() if (total > 0).any() else None
    where = f" under `{section}`" if section else ""
    return learning.fitted(
        label,
        learning.DICE,
        value,
        model["history"]["train_losses"][-1],
        f"Raise `epochs` or `iterations_per_epoch`{where}, or let it work on smaller voxels (`spacing_mm`)",
    )


class Steps:
    """Counts the steps of a training and says how long the rest will take."""

    def __init__(self, running, label):
        left = running.num_epochs - running.current_epoch
        self.label, self.total = label, left * running.num_iterations_per_epoch

    def __iter__(self):
        yield from logs.progress(range(self.total), self.label, total=self.total, every=EVERY)


def _epoch(running, steps):
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
    if running.patients[1] and running.num_val_iterations_per_epoch:
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
        f"epoch {running.current_epoch + 1} of {running.num_epochs}: "
        f"loss {running.logger.get_value('train_losses', step=-1):.4f}{dice}, "
        f"{time.monotonic() - started:.1f} s",
        flush=True,
    )


def module(network):
    """The network itself, also where torch.compile has wrapped it."""
    return getattr(network, "_orig_mod", network)


def _weights(running):
    # clone: the optimizer goes on writing into the same memory
    return {
        k: v.detach().cpu().clone(memory_format=torch.contiguous_format)
        for k, v in module(running.network).state_dict().items()
    }


def _put_down(running, identity, state):
    scaler = running.grad_scaler
    return {
        "identity": identity,
        "epoch": running.current_epoch,
        "weights": _weights(running),
        "optimizer": running.optimizer.state_dict(),
        "scaler": scaler.state_dict() if scaler is not None else None,
        "logging": running.logger.get_checkpoint(),
        "best_ema": running._best_ema,
        "random": checkpoints.random_state(),
        **state,
    }


def _take_up(running, found):
    module(running.network).load_state_dict(found["weights"])
    running.optimizer.load_state_dict(found["optimizer"])
    if running.grad_scaler is not None and found["scaler"] is not None:
        running.grad_scaler.load_state_dict(found["scaler"])
    running.logger.load_checkpoint(found["logging"])
    running._best_ema = found["best_ema"]
    running.current_epoch = found["epoch"]
    checkpoints.restore_random_state(found["random"])
    return {"best": found["best"], "best_epoch": found["best_epoch"]}


def export(running, weights=None, epoch=None):
    """A trained network as plain values, for `checkpoints.save` and `weights_only=True`.

    Keys: `weights` (state dict), `plans`, `dataset_json`, `settings` (`plans["nodestage"]`),
    `trainer` (class name), `epoch`, `history` (a value an epoch), `mirror_axes`, `digest`; `train`
    adds `learned`.
    """
    weights = weights if weights is not None else _weights(running)
    history = running.logger.get_checkpoint()
    return checkpoints.plain(
        {
            "weights": weights,
            "plans": running.plans_manager.plans,
            "dataset_json": running.dataset_json,
            "settings": running.own,
            "trainer": type(running).__name__,
            "epoch": epoch if epoch is not None else running.current_epoch,
            "history": {k: history[k] for k in ("train_losses", "mean_fg_dice", "ema_fg_dice")},
            "mirror_axes": list(running.inference_allowed_mirroring_axes or ()),
            "digest": checkpoints.digest(weights),
        }
    )


def _identity(folder, plans, dataset_json, patients, trainer, seed, choose, initial):
    """What a checkpoint must agree on to be taken up again."""
    return hashlib.sha256(
        json.dumps(
            [
                plans,
                dataset_json,
                patients,
                trainer.__name__,
                seed,
                choose,
                checkpoints.digest(initial) if initial is not None else None,
                cases.digests(folder, plans, sorted({*patients[0], *patients[1]})),
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
