"""Fifteen methods on true and on permuted labels: what is learned, and that nothing else is.

    OMP_NUM_THREADS=1 python benchmarks/permuted_labels.py --work work/permuted

Simulated patients of the discovery center go through the library's own patient-level part:
views, radiomics, `fit_family` and `score_family` in nested cross-validation, each method once
with the true labels and then with labels permuted over all patients, on folds drawn for
those labels. Images, node volumes and features stay as they are. On permuted labels an AUC away
from 0.5 would be a leak: a test label that reached a fit, or folds that favour a side.

Three parts before the patient-level ones are stood in by the simulator's truth, which makes them
cheap and hides no label from anyone: the true tumor mask in place of the tumor networks', the
true deformation in place of the registration, and true nodes in place of the node networks'
(a fifth is overlooked, those that look like nodes are found too, `p_positive` reads the node's
appearance with an error, and `p_node` tells nodes from the rest with one). `plain` also finds what
lies far from every structure.

Then the combined networks of the true labels are asked: the image fixed and the volume varied,
and the reverse. With `--no-effects` the images hold nothing of the status, and the true labels teach nothing either
(a folder of its own). May be stopped and started again with the same `--work`; tables go to stdout
as Markdown.
"""

import argparse
import logging
import sys
import time
from pathlib import Path

import numpy as np
import torch
import yaml
from rungs.patients import on_venous_grid

from nodestage import metrics, simulator, statistics
from nodestage.cohort import folds as cohort_folds
from nodestage.core import checkpoints, files, seeds, tables
from nodestage.methods import base, evidence, radiomics, registry
from nodestage.simulator import lesions
from nodestage.tumor import slices

REPOSITORY = Path(__file__).resolve().parent.parent
CENTER = "changhai"
SLICE, PIXEL_MM, CROP = 48, 1.1, (20, 32, 32)
SMALL = {
    "width": 16,
    "optimizer": "adam",
    "schedule": "one_cycle",
    "learning_rate": 0.002,
    "momentum": 0.9,
    "patients_per_batch": 5,
    "checks": 4,
    "choose": "last",
}
SETTINGS = {
    "ct_report": {},
    "radiomics": {"alphas": 30},
    "radiomics_ct_report": {"alphas": 30, "inner_folds": 3},
    "resnet3d": SMALL | {"size": [10, 24, 24]},
    "resnet2d": SMALL,
    "deepten": SMALL,
    "tumor_net": SMALL,
    "nodes_plain": {},
    "nodes_attention": {},
    "nodes_candidates": {},
    "node_noisy_or": {},
    "node_order": {},
    "node_graph": {},
    "combined": SMALL,
    "combined_candidates": SMALL,
}
NETWORKS = {m for m, settings in SETTINGS.items() if "learning_rate" in settings}
# How often labels are permuted: nothing to learn, a minute of CPU for all, a minute for each.
PERMUTATIONS = {
    **dict.fromkeys(("ct_report", "nodes_plain", "nodes_attention", "nodes_candidates"), 200),
    **dict.fromkeys(("node_noisy_or", "node_order"), 40),
    **dict.fromkeys(("radiomics", "radiomics_ct_report", "node_graph"), 8),
}
MISSED, ERROR = 0.2, 0.5  # of the stood-in node networks: overlooked nodes, error of a reading
IS_NODE, COUNTS = 0.5, 0.3  # least `p_node` of a node, least `p_node_positive` of one that counts
NODE_COLUMNS = (
    *("patient", "variant", "instance", "volume_mm3", "short_axis_mm", "confidence"),
    *("distance_mm", "x", "y", "z", "p_positive", "p_node", "p_node_positive", "is_node", "counts"),
)
VOLUMES = (0.0, 100.0, 300.0, 665.0, 1500.0, 3000.0)  # mm3, for one and the same image


def settings_of(method, options):
    """The method's settings; a network also has the number of steps that was asked for."""
    learns_long = {"steps": options.steps} if method in NETWORKS else {}
    return SETTINGS[method] | learns_long


def sheet(options):
    """The simulator's settings, and rows of `options.patients` discovery patients."""
    path = REPOSITORY / "config/simulator.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))["simulator"]
    settings["centers"] = {CENTER: settings["centers"][CENTER] | {"patients": options.patients}}
    if options.no_effects:
        settings |= {"tumor_effect": 0, "node_effect": 0}
    return settings, simulator.sheet(settings, options.seed)


def make(row, settings, work, seed):
    """Views, radiomics and instance table of one patient."""
    made = simulator.simulate_patient(seed, row, simulator.patient_settings(settings, row))
    arterial = on_venous_grid(made)
    venous, spacing = made.venous.array, made.venous.spacing
    tumor = made.truth["tumor"]["venous"].array > 0
    pancreas = made.truth["organs"]["venous"].array == 11
    size = slices.ViewSettings(SLICE, CROP, pixel_mm=PIXEL_MM)
    views = slices.views(arterial, venous, tumor, pancreas, spacing, size)
    views["center_mm"] = slices.center_mm(tumor, spacing, made.venous.origin)
    phases = np.stack([arterial, venous])
    code = row["patient"]
    radiomics.write(work / f"radiomics/{code}.tsv", *radiomics.of_patient(phases, tumor, spacing))
    tables.write(work / f"nodes/{code}.tsv", nodes(code, made, settings, seed), NODE_COLUMNS)
    slices.write(work / f"views/{code}.npz", views)  # last: its presence means all are there


def nodes(code, made, settings, seed):
    """Instance table as the node networks would leave it, their errors blind to the label."""
    random = np.random.default_rng(seeds.of_method(seed, f"{code} nodes"))
    effect = settings["node_effect"]
    rows = []

    def add(volume, center, cue, is_node, variants):
        """One instance; its distance to a structure and the network's confidence mean nothing here."""
        # The likelihood ratio of a positive and a negative node, a third of all positive.
        p_positive = _logistic(effect * cue - effect**2 / 2 - np.log(2))
        p_node = _logistic((2 if is_node else -2) + random.normal())
        row = {
            "patient": code,
            "instance": 1 + len(rows),
            "volume_mm3": volume,
            "short_axis_mm": np.cbrt(6 * volume / np.pi),
            "confidence": random.random(),
            "distance_mm": 10 * random.random(),
            **dict(zip("xyz", center, strict=True)),
            "p_positive": p_positive,
            "p_node": p_node,
            "p_node_positive": p_node * p_positive,
            "is_node": int(p_node >= IS_NODE),
            "counts": int(p_node * p_positive >= COUNTS),
        }
        rows.append([row | {"variant": variant} for variant in variants])

    for node in made.truth["record"]["nodes"]:
        seen = random.random() >= MISSED
        cue = node["appearance"] + ERROR * random.normal()
        if seen and node["volume_mm3"] >= settings["nodes"]["min_volume_mm3"]:
            center = node["center"]["venous"]
            add(node["volume_mm3"], center, cue, True, ("plain", "attention"))
    confounders = made.truth["confounders"]["venous"]
    instances = metrics.label_instances(confounders.array)
    voxel = float(np.prod(confounders.spacing))
    for number in range(1, int(instances.max(initial=0)) + 1):
        mask = instances == number
        kind = int(confounders.array[mask][0])
        far = kind in (lesions.OUTSIDE, lesions.INSIDE)
        center = slices.center_mm(mask, confounders.spacing, confounders.origin)
        variants = ("plain",) if far else ("plain", "attention")
        add(int(mask.sum()) * voxel, center, random.normal(), False, variants)
    return [row for one in rows for row in one]


def _logistic(odds):
    return float(1 / (1 + np.exp(-odds)))


def labels_of(rows, name):
    """{patient: 0 or 1}: as they are, or the same labels permuted."""
    true = {row["patient"]: int(row["metastasis"]) for row in rows}
    if name == "true":
        return true
    permuted = np.random.default_rng(seeds.of_method(0, name)).permutation(list(true.values()))
    return dict(zip(true, map(int, permuted), strict=True))


def cross_validated(method, labels, data, work, options, keep=False):
    """Test scores {patient: score} and {patient: fold} of a method; models on disk where asked."""
    rows = [{"patient": p, "metastasis": str(v)} for p, v in labels.items()]
    classes = {method: registry.load(method)}
    scores, tested = {}, {}
    for fold, table in enumerate(cohort_folds.make_folds(rows, options.folds, options.seed)):
        parts = {s: [p for p, found in table.items() if found == s] for s in cohort_folds.SUBSETS}
        known = {p: labels[p] for p in parts["train"] + parts["validation"]}
        model = base.fit_family(
            classes,
            data,
            base.Split(parts["train"], parts["validation"], known),
            {method: settings_of(method, options)},
            options.seed + fold,
        )
        if keep:
            checkpoints.save(work / f"models/{method}.{fold}.pt", model)
        for row in base.score_family(model, classes, data, parts["test"]):
            scores[row["patient"]], tested[row["patient"]] = row["score"], fold
    return scores, tested


def result(method, name, data, rows, work, options):
    """AUCs and intervals of a method on one set of labels, computed once."""
    asked = {key: vars(options)[key] for key in ("patients", "folds", "seed")}
    asked["settings"] = settings_of(method, options)
    path = work / f"results/{method}.{name}.json"
    if not path.is_file() or files.read_json(path)["asked"] != asked:
        labels, started = labels_of(rows, name), time.process_time()
        keep = method == "combined" and name == "true"
        scores, tested = cross_validated(method, labels, data, work, options, keep)
        known = [p for p in labels if scores[p] is not None]
        y, score, fold = (np.array([d[p] for p in known]) for d in (labels, scores, tested))
        by_fold = [statistics.auc(y[fold == k], score[fold == k]) for k in range(options.folds)]
        found = {
            "asked": asked,
            "n": len(known),
            "auc": statistics.auc(y, score),
            "interval": statistics.auc_ci(y, score),
            "fold_mean": float(np.mean(by_fold)),
            "fold_interval": statistics.auc_ci(y, score, strata=fold),
            "cpu_seconds": time.process_time() - started,
        }
        files.write_json(path, found)
    return files.read_json(path)


def print_aucs(found, permutations):
    print("\n| method | n | true labels | permuted once | inside | AUC over permutations |")
    print("| --- | --- | --- | --- | --- | --- |")
    for method in SETTINGS:
        true = found[method, "true"]
        permuted = [found[method, f"permuted{i}"] for i in range(permutations[method])]
        # Scores of several folds' models are not on one scale: the mean of the folds counts.
        inside = sum(d["fold_interval"][0] <= 0.5 <= d["fold_interval"][1] for d in permuted)
        middle = np.mean([d["fold_mean"] for d in permuted])
        print(
            f"| {method} | {true['n']} | {shown(true)} | {shown(permuted[0])} | {inside} of "
            f"{len(permuted)} | {middle:.3f} |"
        )
    total = sum(f["cpu_seconds"] for f in found.values())
    print(f"\nMean of the folds' AUCs [95 % DeLong]; fits and scores took {total:.0f} CPU seconds.")
    outside = [d for (_, name), d in found.items() if name != "true"]
    print(
        f"Pooled over the folds, {sum(d['interval'][0] <= 0.5 <= d['interval'][1] for d in outside)}"
        f" of {len(outside)} intervals hold 0.5, mean AUC {np.mean([d['auc'] for d in outside]):.3f}."
    )


def shown(one):
    low, high = one["fold_interval"]
    return f"{one['fold_mean']:.2f} [{low:.2f}, {high:.2f}]"


def print_parts(data, rows, work, options):
    """Image fixed and volume varied, and the reverse, by the combined networks of all folds."""
    labels = labels_of(rows, "true")
    rows = [{"patient": p, "metastasis": str(v)} for p, v in labels.items()]
    classes = {"combined": registry.load("combined")}
    by_volume, by_image = [], []
    for fold, table in enumerate(cohort_folds.make_folds(rows, options.folds, options.seed)):
        model = checkpoints.load(work / f"models/combined.{fold}.pt")
        tested = [p for p, subset in table.items() if subset == "test"]
        grid = []
        for volume in VOLUMES:
            same = base.Data(data.slices, {}, {"attention": {p: [volume] for p in tested}}, {})
            grid.append([r["score"] for r in base.score_family(model, classes, same, tested)])
        grid = np.array(grid)  # (volumes, patients)
        by_volume.append(grid)
        by_image.append(np.ptp(grid, axis=1))
    grid = np.concatenate(by_volume, axis=1)
    moved = np.ptp(grid, axis=0)
    print(
        "\n| volume, mm³ | mean score of the same images | largest difference between two images |"
    )
    print("| --- | --- | --- |")
    for place, volume in enumerate(VOLUMES):
        spread = np.max([image[place] for image in by_image])
        print(f"| {volume:.0f} | {grid[place].mean():.3f} | {spread:.3f} |")
    print(
        f"\nOne image, volumes from {VOLUMES[0]:.0f} to {VOLUMES[-1]:.0f} mm³: the score moves by "
        f"{np.median(moved):.3f} (median of {grid.shape[1]} patients, least {moved.min():.3f}, "
        f"most {moved.max():.3f}); in {np.mean(grid[-1] > grid[0]):.0%} it rises. One volume, "
        "other images: see the last column (within one fold's network)."
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of what is made once")
    parser.add_argument("--patients", type=int, default=120)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=240, help="of the networks")
    parser.add_argument(
        "--no-effects", action="store_true", help="patients whose images hold nothing of the status"
    )
    parser.add_argument("--permutations", type=int, default=1, help="for each of the networks")
    options = parser.parse_args()
    # benchmarks/radiomics.py has PyRadiomics' own name, and a script's folder comes first.
    sys.path = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).resolve().parent]
    torch.set_num_threads(1)
    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    work = options.work
    settings, rows = sheet(options)
    codes = [row["patient"] for row in rows]
    for place, row in enumerate(rows, start=1):
        if not (work / f"views/{row['patient']}.npz").is_file():
            make(row, settings, work, options.seed)
            print(f"{row['patient']}: {place} of {len(rows)} patients", flush=True)
    data = evidence.data(
        {kind: [work / f"{kind}/{p}{end}" for p in codes] for kind, end in KINDS.items()},
        codes,
        {row["patient"]: row for row in rows},
        {},
    )
    permutations = {m: PERMUTATIONS.get(m, options.permutations) for m in SETTINGS}
    found = {}
    for method in SETTINGS:
        for name in ["true", *(f"permuted{i}" for i in range(permutations[method]))]:
            found[method, name] = result(method, name, data, rows, work, options)
            if name == "true" or found[method, name]["cpu_seconds"] > 1:
                print(f"{method}, {name}: {shown(found[method, name])}", flush=True)
    print_aucs(found, permutations)
    print_parts(data, rows, work, options)


KINDS = {"views": ".npz", "radiomics": ".tsv", "nodes": ".tsv"}


if __name__ == "__main__":
    main()
