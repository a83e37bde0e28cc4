"""Every identification network of a fold, in one process that cuts each patient's crops once."""

import hashlib
import shutil
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch

from nodestage.core import checkpoints, devices, learning, seeds, training, volumes
from nodestage.core.errors import InputError
from nodestage.core.optimizers import Nesterov, polynomial
from nodestage.core.run import Run
from nodestage.identification.crops import crops, normalised, positives_of
from nodestage.identification.network import IdentificationNetwork
from nodestage.lymph_nodes.crossfitting import Fold
from nodestage.lymph_nodes.instances import components
from nodestage.lymph_nodes.network import build
from nodestage.nnunet import prediction
from nodestage.nnunet.network import configuration

# The paper's optimizer (section IV-A2); small networks want a larger rate.
DEFAULTS = {
    "crop": [80, 96, 96],
    "epochs": 30,
    "iterations_per_epoch": 100,
    "batch_size": 8,
    "learning_rate": 5e-4,
    "momentum": 0.95,
    "weight_decay": 1e-4,
    "noise": 0.1,
    # `training`: probabilities are those of a node of the training patients; `balanced`: of a node
    # drawn as often from either class, as the network sees them.
    "prior": "balanced",
    # Which epoch of `attention` and `plain` is kept: the `best` on the validation patients, or the `last`.
    "choose": "best",
    # How often the epochs are run through at most: once more only where a network has not fitted its own nodes.
    "cycles": 1,
}


def train_fold(fold: Fold, segmentation_path: str | Path, settings: dict, run: Run) -> dict:
    """Train the identification networks of a fold and write them to `run.output`.

    `attention` and `plain` start from the segmentation networks of those names, learn from the
    annotated instances of the training patients and, with `choose: best`, are chosen on the validation patients;
    `inner0`, … start from the inner segmentation networks, learn from the patients that those
    learned from and keep their last epoch. An instance is a 26-connected component of one label
    value.

    Parameters
    ----------
    fold : its annotated patients are used
    segmentation_path : the fold's model of `lymph_nodes.training`
    settings : dict over `DEFAULTS`; `crop` is (z, y, x) in voxels of the study grid
    run : its work folder is kept when the training is cut short, so that it can resume

    Returns
    -------
    dict of plain values and tensors, as the file holds it: `networks` {name: {weights, shift,
    constant, note, epoch, plans, dataset_json, history, learned}} and `settings`. A network without positive or
    negative training instances has no weights: its probability is `constant`, and `note` gives the reason.
    """
    settings = {**DEFAULTS, **settings}
    torch.set_num_threads(run.threads)
    segmentation = checkpoints.load(segmentation_path)
    plans = next(iter(segmentation["networks"].values()))["plans"]
    _check_crop(settings["crop"], plans)
    examples = {
        p: _examples(p, fold.patients[p], plans, settings["crop"], run.work) for p in fold.annotated
    }
    variants = [name for name in ("attention", "plain") if name in segmentation["networks"]]
    networks = {}
    for name, patients in fold.training_sets(variants).items():
        networks[name] = train_network(
            segmentation["networks"][name],
            Examples([examples[p] for p in patients.train]),
            Examples([examples[p] for p in patients.validation]),
            settings,
            replace(
                run,
                seed=seeds.derived(run.seed, "identification", name),
                label=f"{run.label}, {name}",
            ),
            Path(run.work, f"{name}.pt"),
        )
    # The file goes to other hospitals: it names no patient.
    model = {"networks": networks, "settings": settings}
    checkpoints.save(run.output, model)
    shutil.rmtree(run.work, ignore_errors=True)
    return model


class Examples:
    """The annotated instances of some patients.

    `positive` (n,) is their class; `batch(indices)` gives their images (n, channels, z, y, x) and
    masks (n, z, y, x), read from disk when they are asked for.
    """

    def __init__(self, parts):
        self._parts = parts
        self.digest = [part[3] for part in parts]
        self._index = [(i, j) for i, part in enumerate(parts) for j in range(len(part[2]))]
        self.positive = np.array([parts[i][2][j] for i, j in self._index], dtype=bool)

    def __len__(self):
        return len(self._index)

    def batch(self, indices):
        """Images and masks of some instances, float32."""
        pairs = [
            (self._parts[i][0][j], self._parts[i][1][j])
            for i, j in map(self._index.__getitem__, indices)
        ]
        images, masks = (np.stack(part) for part in zip(*pairs, strict=True))
        return images.astype(np.float32), masks.astype(np.float32)


def train_network(
    exported: dict,
    train: Examples,
    validation: Examples,
    settings: dict,
    run: Run,
    checkpoint: str | Path,
) -> dict:
    """One identification network, started from an exported segmentation network.

    After every epoch its state is written to `checkpoint`; a training that was cut short resumes
    from there and ends with the same weights.
    """
    origin = {"plans": exported["plans"], "dataset_json": exported["dataset_json"]}
    positives, negatives = int(train.positive.sum()), int((~train.positive).sum())
    if not positives or not negatives:
        return {**origin, **_constant(positives, negatives), "epoch": 0, "history": []}
    torch.manual_seed(run.seed)
    device = devices.chosen(run.device)
    network = IdentificationNetwork(prediction.load(exported, build)).to(device).train()
    mixed = bool(exported["settings"]["mixed_precision"])
    learner = NodeLearner(network, train, validation, settings | {"mixed": mixed}, run.seed)
    epochs, per_epoch = settings["epochs"], settings["iterations_per_epoch"]
    learning_rate = settings["learning_rate"]
    schedule = training.Schedule(
        checks=tuple(per_epoch * (epoch + 1) for epoch in range(epochs)),
        rate=lambda step: learning_rate * polynomial(step // per_epoch / epochs),
        choose=settings["choose"],
        hint=f"Lower `identification.learning_rate` (now {learning_rate}).",
        cycles=settings["cycles"],
    )
    identity = [
        exported["digest"],
        run.seed,
        train.digest,
        validation.digest,
        repr(sorted(settings.items())),
    ]
    with devices.repeatable(device):
        trained = training.train(
            learner, schedule, run.label, training.Checkpoint(checkpoint, identity)
        )
    losses = zip_longest(trained.train_loss, trained.validation_loss)
    return {
        **origin,
        "weights": trained.weights,
        "shift": prior_shift(positives, negatives, settings["prior"]),
        "constant": None,
        "note": "",
        "epoch": trained.step // per_epoch,
        "history": [list(pair) for pair in losses],
        "learned": learning.fitted(
            run.label,
            learning.AUC,
            trained.training_auc,
            trained.train_loss[-1],
            "Raise `epochs` or `iterations_per_epoch` under `identification`",
        ),
    }


class NodeLearner:
    """An identification network in training; see `core.training.Learner`.

    Each epoch draws from a separate generator, so that a resumed training draws the same.

    Parameters
    ----------
    network : IdentificationNetwork, where it is to be trained
    train, validation : Examples
    settings : as in `train_fold`, complete, and `mixed`: on a CPU that has instructions for it
        compute in bfloat16, as the segmentation network was trained
    seed : of this network
    """

    def __init__(self, network, train, validation, settings, seed):
        self.network, self.settings, self.seed = network, settings, seed
        self.train, self.validation = train, validation
        self.device = next(network.parameters()).device
        self.optimizer = Nesterov(
            network.parameters(), settings["momentum"], settings["weight_decay"]
        )
        self.random = None

    def step(self, number):
        """One step on a batch with as many positive as negative nodes; its cross entropy."""
        epoch, first = divmod(number, self.settings["iterations_per_epoch"])
        if not first:
            self.random = np.random.default_rng([self.seed, epoch])
        batch = balanced(self.train.positive, self.settings["batch_size"], self.random)
        images, inside = augment(*self.train.batch(batch), self.random, self.settings["noise"])
        truth = torch.from_numpy(self.train.positive[batch].astype(np.int64)).to(self.device)
        with devices.autocast(self.device, self.settings["mixed"], torch.bfloat16):
            logits = self.network(
                torch.from_numpy(images).to(self.device), torch.from_numpy(inside).to(self.device)
            )
        loss = torch.nn.functional.cross_entropy(logits.float(), truth)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 12)
        self.optimizer.step()
        return float(loss.detach())

    def validation_loss(self):
        """`balanced_cross_entropy` of the validation nodes; None without any."""
        return balanced_cross_entropy(
            self.network, self.validation, self.settings["batch_size"], self.device
        )

    def training_auc(self):
        """How well the network ranks the nodes that it learned from."""
        logits, positive = _logits_of(
            self.network, self.train, self.settings["batch_size"], self.device
        )
        return learning.auc(positive, logits[:, 1] - logits[:, 0])


def prior_shift(positives: int, negatives: int, prior: str) -> float:
    """Term added to the log odds of a network that was trained on both classes equally often.

    positives, negatives : nodes of the training patients; prior : `training` or `balanced`
    """
    return float(np.log(positives / negatives)) if prior == "training" else 0.0


def balanced_cross_entropy(network, examples, batch_size, device=None):
    """Mean over the classes that occur of the class's mean cross entropy; None without examples.

    Positives are a fifth of all instances: unweighted, a network that calls none would win.
    """
    if not len(examples):
        return None
    logits, positive = _logits_of(network, examples, batch_size, device)
    losses = torch.nn.functional.cross_entropy(
        logits, torch.from_numpy(positive.astype(np.int64)), reduction="none"
    ).numpy()
    classes = [losses[positive == one] for one in (False, True)]
    return float(np.mean([of_class.mean() for of_class in classes if len(of_class)]))


def _logits_of(network, examples, batch_size, device):
    """Logits (n, 2) of all examples, on the CPU, and their classes."""
    network.eval()
    logits = []
    with torch.inference_mode():
        for start in range(0, len(examples), batch_size):
            batch = range(start, min(start + batch_size, len(examples)))
            images, inside = (torch.from_numpy(a).to(device) for a in examples.batch(batch))
            logits.append(network(images, inside).float().cpu())
    network.train()
    return torch.cat(logits), examples.positive


def augment(images, inside, random, noise):
    """Flip crops, each along axes drawn for it, and add noise to the images but not to the map.

    images (n, channels, z, y, x) and inside (n, z, y, x) are changed in place.
    """
    for image, node in zip(images, inside, strict=True):
        axes = np.flatnonzero(random.random(3) < 0.5)
        image[:] = np.flip(image, axes + 1)
        node[:] = np.flip(node, axes)
        strength = noise * random.random()
        image[:-1] += strength * random.standard_normal(image[:-1].shape, dtype=np.float32)
    return images, inside


def balanced(positive, size, random):
    """Indices of a batch of `size`, half of them positive; of an odd size the last one at random.

    positive : bool (n,), with both classes
    """
    positives, negatives = np.flatnonzero(positive), np.flatnonzero(~positive)
    count = size // 2 + (size % 2 and int(random.integers(2)))
    return np.concatenate([random.choice(positives, count), random.choice(negatives, size - count)])


def _constant(positives, negatives):
    """The record instead of a trained network's where the training nodes are of one class, or absent."""
    absent = "" if not positives + negatives else "positive " if negatives else "negative "
    return {
        "weights": None,
        "shift": 0.0,
        "constant": (positives + 1) / (positives + negatives + 2),
        "note": f"no {absent}lymph node among the training patients: every instance gets the same probability",
    }


def _examples(patient, paths, plans, size, work):
    """Crops of a patient's annotated instances, on disk in half precision, and their classes."""
    mask = volumes.read(paths["lymph_nodes"])
    instances = components(mask.array, mask.spacing)
    positive = positives_of(mask.array, instances)
    channels = [volumes.read(paths[name]).array for name in ("arterial", "venous", "map")]
    images, inside = crops(normalised(channels, plans), instances, size)
    folder = Path(work, "crops")
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{patient}.npy", images.astype(np.float16))
    np.save(folder / f"{patient}.inside.npy", inside)
    # Mapped, not held: at full size the crops of a discovery center take gigabytes.
    mapped = [
        np.load(folder / f"{patient}{kind}.npy", mmap_mode="r" if len(positive) else None)
        for kind in ("", ".inside")
    ]
    digest = hashlib.sha256(images.astype(np.float16).tobytes())
    for part in (inside, positive):
        digest.update(part.tobytes())
    return (*mapped, positive, digest.hexdigest())


def _check_crop(size, plans):
    strides = configuration(plans)["architecture"]["arch_kwargs"]["strides"]
    divisor = np.prod(strides, axis=0)
    if np.any(np.array(size) % divisor):
        nearest = (np.ceil(np.array(size) / divisor) * divisor).astype(int).tolist()
        raise InputError(
            f"`identification.crop` {list(size)} must be divisible by {divisor.tolist()} (z, y, x), "
            f"by which the segmentation network shrinks it. The next size up is {nearest}."
        )
