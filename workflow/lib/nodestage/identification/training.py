"""Every identification network of a fold, in one process that cuts each patient's crops once."""

import hashlib
import shutil
import zlib
from pathlib import Path

import numpy as np
import torch

from nodestage.core import devices, logs, volumes
from nodestage.core.errors import InputError, TrainingError
from nodestage.identification.crops import crops, normalised, positives_of
from nodestage.identification.network import IdentificationNetwork
from nodestage.lymph_nodes import crossfitting
from nodestage.lymph_nodes.instances import components
from nodestage.lymph_nodes.network import build
from nodestage.nnunet import checkpoints, prediction
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
}


def train_fold(
    patients,
    train,
    validation,
    inner,
    lymph_node_model_path,
    settings,
    seed,
    output,
    work,
    threads=1,
    device=None,
    label="identification",
):
    """Train the identification networks of a fold and write them to `output`.

    `attention` and `plain` start from the segmentation networks of those names, learn from the
    annotated instances of `train` and are chosen on `validation`; `inner0`, … start from the inner
    segmentation networks, learn from the patients that those learned from and keep their last
    epoch. An instance is a 26-connected component of one label value.

    Parameters
    ----------
    patients : {patient: {arterial, venous, map, lymph_nodes}}, paths on the study grid
    train, validation : lists of patients
    inner : list of lists, disjoint parts of `train`
    lymph_node_model_path : the fold's model of `lymph_nodes.training`
    settings : dict over `DEFAULTS`; `crop` is (z, y, x) in voxels of the study grid
    seed : int
    output : path of the model
    work : scratch folder; kept when the training is cut short, so that it can go on

    Returns
    -------
    dict of plain values and tensors, as the file holds it: `networks` {name: {weights, shift,
    constant, note, epoch, plans, dataset_json, history}} and `settings`. A network that saw no positive or no
    negative instance has no weights: it answers `constant`, and `note` says why.
    """
    settings = {**DEFAULTS, **settings}
    torch.set_num_threads(threads)
    segmentation = checkpoints.load(lymph_node_model_path)
    annotated = [p for p in dict.fromkeys((*train, *validation)) if patients[p]["lymph_nodes"]]
    plans = next(iter(segmentation["networks"].values()))["plans"]
    _check_crop(settings["crop"], plans)
    examples = {p: _examples(p, patients[p], plans, settings["crop"], work) for p in annotated}
    networks = {}
    for name, (teachers, judges) in crossfitting.learners(
        [name for name in ("attention", "plain") if name in segmentation["networks"]],
        set(train) & set(annotated),
        set(validation) & set(annotated),
        inner,
    ).items():
        networks[name] = train_network(
            segmentation["networks"][name],
            Examples([examples[p] for p in teachers]),
            Examples([examples[p] for p in judges]),
            settings,
            zlib.crc32(f"{seed} identification {name}".encode()),
            Path(work, f"{name}.pt"),
            device=device,
            label=f"{label}, {name}",
        )
    # The file goes to other hospitals: it names no patient.
    model = {"networks": networks, "settings": settings}
    checkpoints.save(output, model)
    shutil.rmtree(work, ignore_errors=True)
    return model


class Examples:
    """The annotated instances of some patients.

    `positive` tells for each whether it is; `batch(places)` gives their images (n, channels,
    z, y, x) and where they lie (n, z, y, x), read from disk where a crop is asked for.
    """

    def __init__(self, parts):
        self._parts = parts
        self.digest = [part[3] for part in parts]
        self._where = [(i, j) for i, part in enumerate(parts) for j in range(len(part[2]))]
        self.positive = np.array([parts[i][2][j] for i, j in self._where], dtype=bool)

    def __len__(self):
        return len(self._where)

    def batch(self, places):
        found = [
            (self._parts[i][0][j], self._parts[i][1][j])
            for i, j in map(self._where.__getitem__, places)
        ]
        images, inside = (np.stack(part) for part in zip(*found, strict=True))
        return images.astype(np.float32), inside.astype(np.float32)


def train_network(exported, teachers, judges, settings, seed, checkpoint, device=None, label=""):
    """One identification network, started from an exported segmentation network.

    After every epoch its state is written to `checkpoint`; a training that was cut short goes on
    from there to the same weights. Each epoch draws from a generator of its own.
    """
    told = {"plans": exported["plans"], "dataset_json": exported["dataset_json"]}
    positives, negatives = np.flatnonzero(teachers.positive), np.flatnonzero(~teachers.positive)
    if not len(positives) or not len(negatives):
        return {**told, **_constant(len(positives), len(negatives)), "epoch": 0, "history": []}
    torch.manual_seed(seed)
    device = devices.chosen(device)
    network = IdentificationNetwork(prediction.load(exported, build)).to(device).train()
    optimizer = torch.optim.SGD(
        network.parameters(),
        settings["learning_rate"],
        momentum=settings["momentum"],
        weight_decay=settings["weight_decay"],
        nesterov=True,
    )
    identity = [
        exported["digest"],
        seed,
        teachers.digest,
        judges.digest,
        repr(sorted(settings.items())),
    ]
    first, history, best = 0, [], None
    if Path(checkpoint).exists():
        found = checkpoints.load(checkpoint)
        if found["identity"] == identity:
            network.load_state_dict(found["weights"])
            optimizer.load_state_dict(found["optimizer"])
            first, history, best = found["epoch"], found["history"], found["best"]
            logs.say(f"{label}: goes on after epoch {first} of {settings['epochs']}")
    for epoch in logs.progress(range(first, settings["epochs"]), label):
        for group in optimizer.param_groups:
            group["lr"] = settings["learning_rate"] * (1 - epoch / settings["epochs"]) ** 0.9
        draw = np.random.default_rng([seed, epoch])
        with devices.repeatable(device):
            losses = [
                _step(
                    network,
                    optimizer,
                    teachers,
                    _balanced(positives, negatives, settings, draw),
                    settings,
                    draw,
                    device,
                )
                for _ in range(settings["iterations_per_epoch"])
            ]
        judged = balanced_cross_entropy(network, judges, settings["batch_size"], device)
        history.append([float(np.mean(losses)), judged])
        if not np.isfinite(history[-1][0]):
            raise TrainingError(
                f"{label}: the loss became {history[-1][0]} in epoch {epoch + 1}. Lower "
                f"`identification.learning_rate` (now {settings['learning_rate']})."
            )
        shown = "" if judged is None else f", validation {judged:.4f}"
        print(f"epoch {epoch + 1}: cross entropy {history[-1][0]:.4f}{shown}", flush=True)
        if judged is None or best is None or judged < best["loss"]:
            best = {"loss": judged, "epoch": epoch + 1, "weights": _weights(network)}
        checkpoints.save(
            checkpoint,
            {
                "identity": identity,
                "weights": _weights(network),
                "optimizer": optimizer.state_dict(),
                "epoch": epoch + 1,
                "history": history,
                "best": best,
            },
        )
    return {
        **told,
        "weights": best["weights"],
        "shift": prior_shift(len(positives), len(negatives), settings["prior"]),
        "constant": None,
        "note": "",
        "epoch": best["epoch"],
        "history": history,
    }


def prior_shift(positives: int, negatives: int, prior: str) -> float:
    """What is added to the log odds of a network that saw both classes equally often.

    positives, negatives : nodes of the training patients; prior : `training` or `balanced`
    """
    return float(np.log(positives / negatives)) if prior == "training" else 0.0


def balanced_cross_entropy(network, examples, batch_size, device=None):
    """Mean over the classes that occur of the class's mean cross entropy; None without examples.

    Positives are a fifth of all instances: unweighted, a network that calls none would win.
    """
    if not len(examples):
        return None
    network.eval()
    losses = []
    with torch.inference_mode():
        for start in range(0, len(examples), batch_size):
            places = range(start, min(start + batch_size, len(examples)))
            images, inside = (torch.from_numpy(a).to(device) for a in examples.batch(places))
            truth = torch.from_numpy(examples.positive[list(places)].astype(np.int64)).to(device)
            logits = network(images, inside)
            losses.append(torch.nn.functional.cross_entropy(logits, truth, reduction="none").cpu())
    network.train()
    losses = torch.cat(losses).numpy()
    classes = [losses[examples.positive == positive] for positive in (False, True)]
    return float(np.mean([found.mean() for found in classes if len(found)]))


def augment(images, inside, draw, noise):
    """Flip crops, each along its own axes, and add noise to the images but not to the map.

    images (n, channels, z, y, x) and inside (n, z, y, x) are changed where they stand.
    """
    for picture, node in zip(images, inside, strict=True):
        axes = np.flatnonzero(draw.random(3) < 0.5)
        picture[:] = np.flip(picture, axes + 1)
        node[:] = np.flip(node, axes)
        strength = noise * draw.random()
        picture[:-1] += strength * draw.standard_normal(picture[:-1].shape, dtype=np.float32)
    return images, inside


def _step(network, optimizer, teachers, places, settings, draw, device):
    images, inside = augment(*teachers.batch(places), draw, settings["noise"])
    truth = torch.from_numpy(teachers.positive[places].astype(np.int64)).to(device)
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type != "cpu"):
        logits = network(torch.from_numpy(images).to(device), torch.from_numpy(inside).to(device))
    loss = torch.nn.functional.cross_entropy(logits.float(), truth)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 12)
    optimizer.step()
    return float(loss.detach())


def _balanced(positives, negatives, settings, draw):
    """Places of one batch, as many positive as negative; the odd one by a coin."""
    size = settings["batch_size"]
    of_positives = size // 2 + (size % 2 and int(draw.integers(2)))
    return np.concatenate(
        [draw.choice(positives, of_positives), draw.choice(negatives, size - of_positives)]
    )


def _constant(positives, negatives):
    """What stands in for a network where the training part shows one class, or nothing."""
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
    pictures, inside = crops(normalised(channels, plans), instances, size)
    folder = Path(work, "crops")
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{patient}.npy", pictures.astype(np.float16))
    np.save(folder / f"{patient}.inside.npy", inside)
    # Mapped, not held: at full size the crops of a discovery center take gigabytes.
    held = [
        np.load(folder / f"{patient}{kind}.npy", mmap_mode="r" if len(positive) else None)
        for kind in ("", ".inside")
    ]
    digest = hashlib.sha256(pictures.astype(np.float16).tobytes())
    for part in (inside, positive):
        digest.update(part.tobytes())
    return (*held, positive, digest.hexdigest())


def _check_crop(size, plans):
    strides = configuration(plans)["architecture"]["arch_kwargs"]["strides"]
    divisor = np.prod(strides, axis=0)
    if np.any(np.array(size) % divisor):
        nearest = (np.ceil(np.array(size) / divisor) * divisor).astype(int).tolist()
        raise InputError(
            f"`identification.crop` {list(size)} must be divisible by {divisor.tolist()} (z, y, x), "
            f"by which the segmentation network shrinks it. The next size up is {nearest}."
        )


def _weights(network):
    return {k: v.detach().cpu().clone() for k, v in network.state_dict().items()}
