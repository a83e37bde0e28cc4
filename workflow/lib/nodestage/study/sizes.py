"""Sizes of a study's networks and grids, for the methods section, and compared with the paper's."""

import math
from functools import cache
from pathlib import Path

import yaml

from nodestage.study import pretraining, teachers

PAPER = Path(__file__).parents[4] / "config" / "paper.yaml"

NETWORKS = {
    "organ teacher": ("organs", "teacher"),
    "organ student": ("organs", "student"),
    "tumor network": ("tumor", "network"),
    "lymph-node networks": ("lymph_nodes", "network"),
}

OPTIMIZERS = {"sgd": "SGD", "adam": "Adam"}


@cache
def full_size():
    """The settings of config/paper.yaml; empty where the configs don't lie beside the code."""
    return yaml.safe_load(PAPER.read_text(encoding="utf-8")) if PAPER.is_file() else {}


def described(config, methods):
    """Grid, registration and networks for the methods section: {what: words}.

    Parameters
    ----------
    config : a study's whole config
    methods : {method: its settings}, those that are on

    Returns
    -------
    dict of sentences in the order of the page; what a study doesn't train is left out
    """
    sentences = {
        "Grid": f"{_grid(config['spacing_mm'])} (z × y × x).",
        "Registration": _registered(config),
    }
    for name, network in _trained(config).items():
        sentences[name.capitalize()] = _network(network)
    one = config["identification"]
    sentences["Identification of nodes"] = (
        f"Crops of {_times(one['crop'])} voxels, {_steps(one)} of {one['batch_size']} nodes, SGD at a "
        f"rate of {one['learning_rate']:g} that falls to 0."
    )
    lengths = sorted({_length(one) for one in methods.values()} - {None})
    if lengths:
        again = max((_again(one.get("settings") or {}) for one in methods.values()), key=len)
        most = f" to {lengths[-1]:,}" if len(lengths) > 1 else ""
        pixel = config["tumor"]["pixel_mm"]
        sentences["Patient networks"] = (
            f"Slices of {config['tumor']['slice_size']} pixels{f' of {pixel:g} mm' if pixel else ''}, "
            f"crops of {_times(config['tumor']['crop'])} voxels; {lengths[0]:,}{most} steps{again}."
        )
    return sentences


def smaller(config, methods, full=None):
    """What is smaller than the paper's sizes, in words: [`lymph-node networks: 312 steps (250,000)`].

    Parameters
    ----------
    config, methods : as in `described`
    full : settings to compare with; config/paper.yaml's by default
    """
    full = full_size() if full is None else full
    if not full:
        return []
    shorter, grid = [], config["spacing_mm"]
    if not isinstance(grid, str) and math.prod(grid) > 1.01 * math.prod(full["spacing_mm"]):
        shorter.append(f"grid of {_grid(grid)} ({_grid(full['spacing_mm'])})")
    if len(config["registration"]["grid_mm"]) < len(full["registration"]["grid_mm"]):
        levels = [len(c["registration"]["grid_mm"]) for c in (config, full)]
        shorter.append(f"registration in {levels[0]} levels ({levels[1]})")
    for name, network in _trained(config).items():
        part, key = NETWORKS[name]
        shorter += _less(name, network, full[part][key])
    shorter += _less("identification of nodes", config["identification"], full["identification"])
    paper = {m: _length(one) for m, one in full["methods"].items() if one is not None}
    short = [m for m, one in methods.items() if (_length(one) or math.inf) < (paper.get(m) or 0)]
    if short:
        shortest = min(short, key=lambda m: _length(methods[m]))
        shorter.append(
            f"patient networks: from {_length(methods[shortest]):,} steps ({paper[shortest]:,})"
        )
    return shorter + pretraining.from_scratch(config | {"methods": methods}, full)


def _trained(config):
    """{name: settings} of the segmentation networks that the study trains."""
    return {
        name: config[part][key]
        for name, (part, key) in NETWORKS.items()
        if config[part].get("source") != "given"
        and (name != "organ teacher" or teachers.is_trained_here(config, "organs"))
    }


def _less(name, training, paper):
    """How a training falls short of the paper's: in steps, and in the size of a patch or crop."""
    shorter, steps = [], training["epochs"] * training["iterations_per_epoch"]
    wanted = paper["epochs"] * paper["iterations_per_epoch"]
    if steps < wanted:
        shorter.append(f"{name}: {steps:,} steps ({wanted:,})")
    for key, words in (("patch_size", "patches"), ("crop", "crops")):
        if (
            training.get(key)
            and paper.get(key)
            and math.prod(training[key]) < math.prod(paper[key])
        ):
            shorter.append(
                f"{name}: {words} of {_times(training[key])} voxels ({_times(paper[key])})"
            )
    return shorter


def _grid(spacing):
    if isinstance(spacing, str):
        return "median spacing of the discovery images"
    return f"{_times(spacing)} mm"


def _registered(config):
    levels = config["registration"]["grid_mm"]
    rounds = len(config["registration"]["affine_grid_mm"])
    return (
        "Arterial phase on the venous one: dense displacement sampling with self-similarity "
        f"descriptors, {rounds} affine rounds, then {len(levels)} levels with control points "
        f"{levels[0]:g} to {levels[-1]:g} mm apart."
    )


def _network(settings):
    features = settings.get("features")
    return (
        f"U-Net (nnU-Net), patches of {_times(settings.get('patch_size'))} voxels, channels "
        f"{' · '.join(map(str, features)) if features else 'of nnU-Net’s own choice'}; {_steps(settings)} "
        f"of {settings.get('batch_size') or 'nnU-Net’s own number of'} patches, "
        f"{OPTIMIZERS[settings.get('optimizer') or 'sgd']} from a rate of "
        f"{settings.get('initial_lr') or 0.01:g}, {settings.get('augmentation') or 'full'} augmentation."
    )


def _steps(settings):
    epochs, each = settings["epochs"], settings["iterations_per_epoch"]
    return f"{epochs:,} epochs × {each:,} steps{_again(settings)}"


def _again(settings):
    """What a page says of a training that may be run through more than once."""
    cycles = settings.get("cycles", 1)
    if cycles == 1:
        return ""
    times = "twice" if cycles == 2 else f"up to {cycles} times"
    return f" ({times} where the network had not fitted its training data)"


def _length(method):
    """Steps of a patient network; None for other methods, and where the settings don't give them."""
    return (method.get("settings") or {}).get("steps")


def _times(values):
    return " × ".join(f"{v:g}" for v in values) if values else "nnU-Net’s own"
