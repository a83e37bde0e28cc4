"""From images and masks on the study grid to a trained network's file."""

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nodestage.core import logs, volumes
from nodestage.core.errors import InputError
from nodestage.core.run import Run, TrainingSet
from nodestage.nnunet import cases, plans


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
    for code, images, mask in logs.progress(samples, f"{run.label}: images prepared"):
        arrays, labels, spacing = load(code, images, mask, task.n_labels)
        if task.shown and code in task.shown:
            labels[~np.isin(labels, list(task.shown[code]))] = 0
        cases.preprocess(code, arrays, labels, spacing, plan, run.work)
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

    def labels(self, channels, spacing, **options):
        """See `prediction.predict_labels`."""
        from nodestage.nnunet import prediction

        return prediction.predict_labels(self.module, channels, spacing, self.model, **options)
