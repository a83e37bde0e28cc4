"""The tumor: how much of the status a network reads from slices around it.

First the number that the simulator hides in the image, then the networks, from true masks or from
those that the tumor networks predict.
"""

import contextlib
import io
from pathlib import Path

import numpy as np
from scipy import ndimage

from nodestage.core import checkpoints, files
from nodestage.core.run import Run
from nodestage.core.volumes import Volume
from nodestage.methods import base, registry
from nodestage.tumor import masks, slices
from rungs import patients as simulated
from rungs.score import Timer, ranked, rung

METHODS = ("resnet3d", "resnet2d", "deepten", "tumor_net")  # the last one ends the ladder
MISSED = 0.1  # a Dice below this is a missed tumor


def climb(patients, options):
    """Print the rungs of the tumor; the last line is `tumor_net`'s.

    Parameters
    ----------
    patients : Patients
    options : `masks` (true or predicted), `methods` (names, or None for all)
    """
    config = simulated.settings()
    y = [patients.labels[p] for p in patients.tested]
    timer = Timer()
    rung(
        "SD of HU inside the true tumor",
        ranked(y, [spread(patients.read(p)) for p in patients.tested]),
        timer,
    )
    oracle = [patients.read(p)["record"]["oracle"]["tumor"] for p in patients.tested]
    rung("oracle that knows the tumor's cue", ranked(y, oracle))
    tumors = None
    if options.masks == "predicted":
        tumors = predicted_masks(patients, config["tumor"])
    views = {
        p: view(patients, p, config["tumor"], tumors)
        for p in (*patients.training, *patients.tested)
    }
    rung(
        f"SD of HU inside the tumor of the slices, {options.masks} masks",
        ranked(y, [spread_of_slices(views[p]) for p in patients.tested]),
    )
    last = ""
    for method in options.methods or METHODS:
        timer = Timer()
        model = fitted(patients, method, views, config["methods"][method]["settings"])
        rows = base.score_family(
            model, {method: registry.load(method)}, base.Data(slices=views), patients.tested
        )
        known = {row["patient"]: row["score"] for row in rows}
        learned = model["methods"][method]["state"]["learned"]["value"]
        last = ranked(y, [known[p] for p in patients.tested], learned)
        rung(f"{method}, {options.masks} masks", last, timer)
    print(last)


def spread(patient):
    """SD of the venous HU inside the true tumor without its border."""
    inside = patient["tumor"] > 0
    core = ndimage.binary_erosion(inside)
    return float(patient["venous"][core if core.sum() > 8 else inside].std())


def spread_of_slices(path):
    """The same number from what the networks see: all slices, two pixels from the mask's border."""
    with np.load(path) as views:
        venous, masks = views["images"][:, 1], views["masks"] > 0
    cores = np.stack([ndimage.binary_erosion(mask, iterations=2) for mask in masks])
    inside = cores if cores.sum() > 8 else masks
    return float(venous[inside].std()) if inside.any() else 0.0


def view(patients, patient, settings, tumors):
    """File of a patient's slices and crop, from the true tumor or from `tumors`."""
    size, pixel, crop = settings["slice_size"], settings["pixel_mm"], tuple(settings["crop"])
    kind = simulated.digest([size, pixel, crop, tumors and tumors.parent.name])
    path = Path(patients.folder, "views", kind, f"{patient}.npz")
    if not path.exists():
        one = patients.read(patient)
        mask = one["tumor"] if tumors is None else np.load(tumors / f"{patient}.npy")
        pancreas = one["organs"] == simulated.PANCREAS
        phases = one["arterial"], one["venous"]
        views = slices.views(
            *phases,
            mask > 0,
            pancreas,
            one["spacing"],
            slices.ViewSettings(size, crop, pixel_mm=pixel),
        )
        slices.write(path, views)
    return path


def fitted(patients, method, views, settings):
    """A method fitted on the training patients, from its file where the same was fitted before."""
    kind = simulated.digest(
        [method, settings, views[patients.training[0]].parent.name, len(patients.training)]
    )
    path = Path(patients.folder, "models", f"{method}-{kind}.pt")
    if not path.exists():
        learned = {p: patients.labels[p] for p in patients.training}
        with contextlib.redirect_stdout(io.StringIO()):
            model = base.fit_family(
                {method: registry.load(method)},
                base.Data(slices=views),
                base.Split(patients.training, [], learned),
                {method: settings},
                patients.seed,
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        checkpoints.save(path, model)
    return checkpoints.load(path)


def predicted_masks(patients, config):
    """Folder of the masks that the final network predicts, and two rungs about them.

    As in a study: an arterial network from the auxiliary center's masks, its masks of the training patients
    as pseudo labels, a network of the venous phase or of both from these, for everybody.
    """
    settings = config["network"]
    phases = ["arterial", "venous"] if config["phases"] == "both" else ["venous"]
    sizes = [settings, phases, config["start"], patients.train, patients.auxiliary]
    folder = Path(patients.folder, "tumor", simulated.digest(sizes))
    timer = Timer()
    arterial = folder / "arterial.pt"
    if not arterial.exists():
        auxiliary = [
            (p, {"arterial": volume(patients, p, "arterial")}, volume(patients, p, "tumor"))
            for p in patients.of(simulated.AUXILIARY)
        ]
        _quietly(
            masks.train_arterial,
            auxiliary,
            settings,
            Run(patients.seed, arterial, folder / "work"),
        )
    pseudo = predict(patients, arterial, folder / "pseudo", patients.training)
    rung(
        "arterial network on the training patients",
        segmented(patients, pseudo, patients.training),
        timer,
    )
    timer, final = Timer(), folder / "final.pt"
    if not final.exists():
        marked = [
            (
                p,
                {phase: volume(patients, p, phase) for phase in phases},
                volume(patients, p, "venous", np.load(pseudo / f"{p}.npy")),
            )
            for p in patients.training
        ]
        _quietly(
            masks.train_final,
            marked,
            settings,
            Run(patients.seed, final, folder / "work"),
            phases=phases,
            initial=checkpoints.load(arterial) if config["start"] == "arterial" else None,
        )
    everybody = [*patients.training, *patients.tested]
    found = predict(patients, final, folder / "predicted", everybody)
    rung(
        f"network of {' and '.join(phases)} on the tested",
        segmented(patients, found, patients.tested),
        timer,
    )
    return found


def predict(patients, model, folder, names):
    """Masks of some patients as one .npy each, those that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    network = None
    for patient in names:
        path = folder / f"{patient}.npy"
        if path.exists():
            continue
        network = network or masks.open_model(model)
        one = patients.read(patient)
        pancreas = one["organs"] == simulated.PANCREAS
        found = _quietly(masks.predict, network, one, one["spacing"], pancreas, threads=1)
        with files.whole(path) as temporary, open(temporary, "wb") as handle:
            np.save(handle, found)
    return folder


def segmented(patients, folder, names):
    """`Dice 0.70 (median), 3 % missed`."""
    dice = []
    for patient in names:
        truth, found = patients.read(patient)["tumor"] > 0, np.load(folder / f"{patient}.npy") > 0
        dice.append(2 * (truth & found).sum() / max(1, truth.sum() + found.sum()))
    return f"Dice {np.median(dice):.2f} (median), {np.mean(np.array(dice) < MISSED):.1%} missed"


def volume(patients, patient, role, array=None):
    one = patients.read(patient)
    return Volume(one[role] if array is None else array, one["spacing"])


def _quietly(call, *given, **named):
    with contextlib.redirect_stdout(io.StringIO()):
        return call(*given, **named)
