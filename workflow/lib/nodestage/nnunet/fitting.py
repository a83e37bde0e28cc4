"""From images and masks on the study grid to a trained network's file."""

import multiprocessing
import shutil
from collections.abc import Collection, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nodestage.core import logs, memory, volumes
from nodestage.core.errors import InputError
from nodestage.core.run import Run, TrainingSet
from nodestage.nnunet import cases, cropping, plans

MANY_VOXELS = 1e9
"""Of all images together, above which several processes prepare them: each takes seconds to start."""
BYTES_PER_VOXEL = 16
"""Memory of one process, per voxel and channel (the labels count as one): four copies of 32 bits."""


@dataclass(frozen=True)
class Task:
    """What a network learns.

    Attributes
    ----------
    name : what it segments, as one word
    channels : their names, as in `plans.make_plans`
    n_labels : foreground labels 1..n_labels
    settings : as in `plans.make_plans`
    section : where the config holds the settings, for messages
    shown : {sample: labels that its mask shows} where masks show only some of the labels: the others
        are ignored there (`nnunet.partial`); None: every mask shows all of them
    """

    name: str
    channels: list[str]
    n_labels: int
    settings: dict
    section: str = ""
    shown: Mapping[str, Collection[int]] | None = None


def fit(
    task: Task,
    samples_train: list,
    samples_validation: list,
    run: Run,
    choose: str = "last",
    initial: dict | None = None,
) -> dict:
    """Plan, preprocess, train, and save one network.

    Parameters
    ----------
    task : Task
    samples_train, samples_validation : lists of (code, [image of each channel], labels); images
        and labels are paths or Volumes on one grid (the study's)
    run : the model is written to `output` (see `training.export`)
    choose : "last" epoch or "best"
    initial : model (dict) of the same architecture whose weights to start from, or None

    Returns
    -------
    the model (dict)
    """
    from nodestage.core import checkpoints
    from nodestage.nnunet import partial, training

    samples = [*samples_train, *samples_validation]
    if not samples_train:
        raise InputError(
            f"{run.label}: no patient to learn from. Teacher and arterial network learn from masks of an auxiliary "
            "center, the student from the discovery center's with the `organ_set` train; each mask needs its "
            "patient's images (`substitute_phase: true` where a phase is missing)."
        )
    codes = [code for code, _, _ in samples]
    if len(set(codes)) < len(codes):
        raise ValueError(f"{run.label}: a sample is listed twice")
    shapes, spacings = zip(*(plans.geometry(images[0]) for _, images, _ in samples), strict=True)
    plan = plans.make_plans(
        task.name, shapes, spacings[0], task.channels, task.n_labels, task.settings
    )
    _prepare(samples, shapes, task, plan, run)
    model = training.train(
        replace(plan, section=task.section),
        TrainingSet(*([c for c, _, _ in part] for part in (samples_train, samples_validation))),
        replace(run, output=Path(run.work, "state", "checkpoint.pt")),
        trainer=partial.of(task.shown, task.n_labels),
        choose=choose,
        initial=initial and initial["weights"],
    )
    checkpoints.save(run.output, model)
    shutil.rmtree(run.work)
    return model


def _prepare(samples, shapes, task, plan, run):
    """Preprocess all samples; with the job's threads side by side where the images are large."""
    voxels = [float(np.prod(shape)) for shape in shapes]
    at_once = memory.free() // (BYTES_PER_VOXEL * max(voxels) * (len(task.channels) + 1))
    many = sum(voxels) > MANY_VOXELS
    workers = max(1, int(min(run.threads, len(samples), at_once))) if many else 1
    label = f"{run.label}: images prepared"
    if workers == 1:
        for sample in logs.progress(samples, label):
            _prepare_one(sample, task, plan, run.work)
        return
    # Not forked: torch's threads don't survive a fork.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(_prepare_one, sample, task, plan, run.work) for sample in samples]
        for job in logs.progress(jobs, label):
            job.result()


def _prepare_one(sample, task, plan, work):
    code, images, mask = sample
    arrays, labels, spacing = load(code, images, mask, task.n_labels)
    if task.shown and code in task.shown:
        labels[~np.isin(labels, list(task.shown[code]))] = 0
    box = cropping.training_box(arrays, spacing, labels)
    arrays = [array[box] for array in arrays]
    cases.preprocess(code, arrays, labels[box], spacing, plan, work)


def load(code, images, mask, n_labels):
    """Arrays of one sample, checked: one grid, labels within 0..n_labels.

    Returns
    -------
    channels (list of arrays), labels (uint8 array), spacing (z, y, x) in mm
    """
    channels = [as_volume(image) for image in images]
    labels = as_volume(mask)
    if any(not volumes.same_grid(channels[0], other) for other in (*channels[1:], labels)):
        raise InputError(
            f"{code}: phases and mask are not on one grid (shapes "
            f"{', '.join(str(v.array.shape) for v in (*channels, labels))}). Delete this patient's "
            "registration results, so that they are made anew."
        )
    highest = int(labels.array.max(initial=0))
    if highest > n_labels:
        raise InputError(
            f"{code}: the mask has a label {highest}, but the network learns 1 to {n_labels}. "
            "Correct the center's `label_system`."
        )
    return [v.array for v in channels], labels.array.astype(np.uint8), channels[0].spacing


def as_volume(image):
    """A Volume, read if `image` is a path."""
    return image if isinstance(image, volumes.Volume) else volumes.read(image)


def highest(probabilities):
    """The label with the highest probability, uint8 (z, y, x); the lowest of equals.

    probabilities : float32 array (label, z, y, x)
    """
    import torch

    from nodestage.nnunet import prediction

    return prediction.highest(torch.from_numpy(probabilities), probabilities.shape[1:]).numpy()


def open_model(path):
    """A trained network from its file: the model's dict and the torch module."""
    from nodestage.core import checkpoints
    from nodestage.nnunet import prediction

    model = checkpoints.load(path)
    if "folds" in model:
        from nodestage.nnunet.foreign import Foreign

        return Foreign(model)
    return Network(model, prediction.load(model))


class Network:
    """A model's dict (`model`) with its torch module (`module`), to predict many patients."""

    def __init__(self, model, module):
        self.model, self.module = model, module

    def box(self, channels, spacing):
        """The part of an image (slices z, y, x) that this network predicts: the body."""
        return cropping.body_box(channels, spacing)

    def labels(self, channels, spacing, softmax=False, **options):
        """See `prediction.predict_labels`; air around the body is background and never predicted."""
        from nodestage.nnunet import prediction

        box, shape = self.box(channels, spacing), np.shape(channels[0])
        channels = [channel[box] for channel in channels]
        predicted = prediction.predict_labels(
            self.module, channels, spacing, self.model, softmax=softmax, **options
        )
        if not softmax:
            return cropping.restored(predicted, box, shape)
        labels, probabilities = (cropping.restored(values, box, shape) for values in predicted)
        probabilities[0] = cropping.restored(predicted[1][0], box, shape, outside=1)
        return labels, probabilities
