"""Tumor and lymph nodes together: the paper's fusion, and the one that reads candidates."""

import contextlib
import io
from pathlib import Path

import numpy as np

from nodestage.core import checkpoints
from nodestage.methods import base, registry
from rungs import patients as simulated
from rungs import tumor
from rungs.nodes import Nodes
from rungs.score import Timer, ranked, rung

METHODS = ("tumor_net", "combined", "combined_candidates")  # the last one ends the ladder


def climb(patients, options, config=None):
    """Print the rungs of tumor and nodes; the last line is `combined_candidates`'.

    Parameters
    ----------
    patients : Patients
    options : `masks` of tumors (true or predicted)
    config : settings of the study; config/larger.yaml's by default
    """
    config = config or simulated.settings()
    y = [patients.labels[p] for p in patients.tested]
    oracle = [patients.read(p)["record"]["oracle"]["both"] for p in patients.tested]
    rung("oracle that knows both cues", ranked(y, oracle))
    masks = None
    if options.masks == "predicted":
        masks = tumor.predicted_masks(patients, config["tumor"])
    nodes = Nodes(patients, config)
    everybody = [*patients.training, *patients.tested]
    data = base.Data(
        slices={p: tumor.view(patients, p, config["tumor"], masks) for p in everybody},
        volumes={
            "attention": {p: [nodes.volume(p)] for p in everybody},
            "candidates": {p: [nodes.counted(p)] for p in everybody},
        },
        noisy_or={p: nodes.noisy_or(p) for p in everybody},
    )
    rung("nodes_attention", ranked(y, [nodes.volume(p) for p in patients.tested]))
    chance = [nodes.noisy_or(p) for p in patients.tested]
    rung("nodes_candidates", ranked(y, chance))
    last = ""
    for method in METHODS:
        timer = Timer()
        model = fitted(patients, nodes, method, data, config["methods"][method]["settings"])
        rows = base.score_family(model, {method: registry.load(method)}, data, patients.tested)
        known = {row["patient"]: row["score"] for row in rows}
        scores = [known[p] for p in patients.tested]
        learned = model["methods"][method]["state"]["learned"]["value"]
        last = ranked(y, scores, learned)
        rung(f"{method}, {options.masks} masks", last, timer)
        if method == "tumor_net":
            rung("tumor_net and nodes_candidates, added", ranked(y, added(scores, chance)))
    print(last)


def added(*scores):
    """Sum of the scores' log odds, each divided by its SD."""
    clipped = [np.clip(score, 1e-6, 1 - 1e-6) for score in scores]
    odds = [np.log(score / (1 - score)) for score in clipped]
    return sum(one / (one.std() or 1.0) for one in odds)


def fitted(patients, nodes, method, data, settings):
    """A method fitted on the fold's training patients, from its file where it is there."""
    kind = simulated.digest(
        [method, settings, str(nodes.folder), str(data.slices[nodes.fold.train[0]])]
    )
    path = Path(patients.folder, "models", f"{method}-{kind}.pt")
    if not path.exists():
        train, validation = nodes.fold.train, nodes.fold.validation
        labels = {p: patients.labels[p] for p in (*train, *validation)}
        with contextlib.redirect_stdout(io.StringIO()):
            model = base.fit_family(
                {method: registry.load(method)},
                data,
                base.Split(train, validation, labels),
                {method: settings},
                patients.seed,
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        checkpoints.save(path, model)
    return checkpoints.load(path)
