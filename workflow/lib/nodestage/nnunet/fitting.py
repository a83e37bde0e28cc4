"""From images and masks on the study grid to a trained network's file."""

import shutil
from pathlib import Path

import numpy as np

from nodestage.core import logs, volumes
from nodestage.core.errors import InputError
from nodestage.nnunet import cases, plans


def fit(
    name,
    samples_train,
    samples_validation,
    channels,
    n_labels,
    settings,
    *,
    seed,
    output,
    work,
    device=None,
    threads=1,
    choose="last",
    label=None,
    section="",
    initial=None,
):
    """Plan, preprocess, train, and save one network.

    Parameters
    ----------
    name : str, what it segments, as one word
    samples_train, samples_validation : lists of (code, [image of each channel], labels); images
        and labels are paths or Volumes on one grid (the study's), labels 0..n_labels
    channels : list of str, as in `plans.make_plans`
    settings : dict, as in `plans.make_plans`
    seed : int
    output : file of the model, written whole (see `training.export`)
    work : scratch folder; a killed training goes on from it, success deletes it
    section : where the config holds this network's settings, for a warning
    initial : model (dict) of the same architecture whose weights to start from, or None

    Returns
    -------
    the model (dict)
    """
    from nodestage.core import checkpoints
    from nodestage.nnunet import training

    label = label or name
    samples = [*samples_train, *samples_validation]
    if not samples_train:
        raise InputError(
            f"{label}: no patient to learn from. Teacher and arterial network learn from masks of an auxiliary "
            "center, the student from the discovery center's with the `organ_set` train; each mask needs its "
            "patient's images (`substitute_phase: true` where a phase is missing)."
        )
    codes = [code for code, _, _ in samples]
    if len(set(codes)) < len(codes):
        raise ValueError(f"{label}: a sample stands in the list twice")
    geometry = [plans.geometry(images[0]) for _, images, _ in samples]
    spacing = geometry[0][1]
    found, dataset_json = plans.make_plans(
        name, [shape for shape, _ in geometry], spacing, channels, n_labels, settings
    )
    for code, images, mask in logs.progress(samples, f"{label}: images prepared"):
        arrays, labels, at = load(code, images, mask, n_labels)
        cases.preprocess(code, arrays, labels, at, found, work, dataset_json)
    model = training.train(
        work,
        [code for code, _, _ in samples_train],
        [code for code, _, _ in samples_validation],
        found,
        dataset_json,
        seed=seed,
        output=Path(work, "state"),
        device=device,
        label=label,
        choose=choose,
        threads=threads,
        section=section,
        initial=initial and initial["weights"],
    )
    checkpoints.save(output, model)
    shutil.rmtree(work)
    return model


def load(code, images, mask, n_labels):
    """Arrays of one sample, checked: one grid, labels within 0..n_labels.

    Returns
    -------
    channels (list of arrays), labels (uint8 array), spacing (z, y, x) in mm
    """
    found = [as_volume(image) for image in images]
    labels = as_volume(mask)
    if any(not volumes.same_grid(found[0], other) for other in (*found[1:], labels)):
        raise InputError(
            f"{code}: phases and mask are not on one grid (shapes "
            f"{', '.join(str(v.array.shape) for v in (*found, labels))}). Delete this patient's "
            "registration results, so that they are made anew."
        )
    highest = int(labels.array.max(initial=0))
    if highest > n_labels:
        raise InputError(
            f"{code}: the mask has a label {highest}, but the network learns 1 to {n_labels}. "
            "Correct the center's `label_system`."
        )
    return [v.array for v in found], labels.array.astype(np.uint8), found[0].spacing


def as_volume(image):
    """A Volume, read if `image` is a path."""
    return image if isinstance(image, volumes.Volume) else volumes.read(image)


def open_model(path):
    """A trained network from its file: the model's dict and the torch module."""
    from nodestage.core import checkpoints
    from nodestage.nnunet import prediction

    model = checkpoints.load(path)
    return Network(model, prediction.load(model))


class Network:
    """A model's dict (`model`) with its torch module (`module`), to predict many patients."""

    def __init__(self, model, module):
        self.model, self.module = model, module

    def labels(self, channels, spacing, **how):
        """See `prediction.predict_labels`."""
        from nodestage.nnunet import prediction

        return prediction.predict_labels(self.module, channels, spacing, self.model, **how)
