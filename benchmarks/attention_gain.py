"""What attention changes: four lymph-node networks that differ by one step each, on known patients.

    OMP_NUM_THREADS=1 python benchmarks/attention_gain.py gain
    OMP_NUM_THREADS=1 python benchmarks/attention_gain.py gain --jobs 14 --trainings 24

For each seed the simulator draws patients of the discovery center of config/simulator.yaml, once
as they are and once with `far_confounders: 0`: the same patients without the node-like blobs that
lie beyond every range or inside organs. Arterial on venous by `registration`, as in the workflow;
organs are the true ones; maps by Table II. `plain`, `tversky`, `map_one` and `attention` learn
from the same training patients by `lymph_nodes.training.train_fold`, are chosen on the same
validation patients, and find the annotated nodes of the same test patients.

Tables: Dice and instance rates as in Table V (patient means); precision where both networks of a
pair find as many nodes, their thresholds moved; false positives a patient by place; attention
minus each other network, with intervals from whole patients resampled within their seed.

A patient or network that is done is left as it is, so a run that was cut short goes on; `--tables`
prints what is there. A GPU is used where there is one.
"""

import argparse
import concurrent.futures
import itertools
import multiprocessing
import os
import sys
import time
from pathlib import Path

import numpy as np
import yaml

from nodestage import metrics
from nodestage.core import files, logs, tables

ROOT = Path(__file__).resolve().parents[1]
CENTER = "changhai"
VARIANTS = ("plain", "tversky", "map_one", "attention")
CHANNELS = ("arterial", "venous", "map", "lymph_nodes")
PROBABILITIES = (0.02, 0.05, *np.arange(1, 10) / 10, 0.95, 0.98, 0.99, 0.995, 0.999)
HALF = PROBABILITIES.index(0.5)
MEANS = ("dice", "f", "instance_recall", "instance_precision")
PLACES = (*metrics.PLACES, "on a far confounder", "anywhere")
COLUMNS = ("seed", "far", "variant", "patient", *MEANS, *PLACES, "tp", "fp", "fn")


def config(name):
    return yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())


def network(options):
    """Settings of `train_fold`, the default study's but for the network's size and training."""
    return config("config")["lymph_nodes"] | {
        "choose": options.choose,
        "threshold": PROBABILITIES[HALF],
        "step_size": 0.75,
        "network": config("config")["lymph_nodes"]["network"]
        | {
            "patch_size": options.patch,
            "features": options.features,
            "convolutions": options.convolutions,
            "batch_size": options.batch,
            "optimizer": options.optimizer,
            "initial_lr": options.lr,
            "epochs": options.epochs,
            "iterations_per_epoch": options.steps // options.epochs,
            "validation_iterations": 8,
            "deterministic": False,
        },
    }


# Patients


def cohort(options, seed, far):
    """Simulator settings, and one row per patient: training, validation, then test patients."""
    from nodestage import simulator

    settings = config("simulator")["simulator"] | {"far_confounders": far}
    settings["centers"] = {CENTER: settings["centers"][CENTER]}
    settings["centers"][CENTER]["patients"] = options.training + options.validation + options.test
    return settings, simulator.sheet(settings, seed)


def split(options, rows):
    """Codes of the training, validation and test patients."""
    codes = [row["patient"] for row in rows]
    ends = np.cumsum([options.training, options.validation])
    return codes[: ends[0]], codes[ends[0] : ends[1]], codes[ends[1] :]


def folder_of(options, seed, far, patient):
    return Path(options.out, "patients", f"seed{seed}_far{far}", patient)


def make_patient(options, seed, far, row):
    """Simulate one patient and lay everything on the study grid, as the workflow does."""
    from nodestage import attention, registration, simulator
    from nodestage.core import volumes

    folder = folder_of(options, seed, far, row["patient"])
    if (folder / "record.json").exists():
        return
    settings, _ = cohort(options, seed, far)
    made = simulator.simulate_patient(seed, row, settings)
    study, anatomy = config("config"), config("anatomy")
    venous, arterial, _, record = registration.study_pair(
        {"arterial": made.arterial, "venous": made.venous},
        study["spacing_mm"],
        study["registration"],
        patient=row["patient"],
    )
    masks = {
        "organs": made.truth["organs"]["venous"],
        "confounders": made.truth["confounders"]["venous"],
        "lymph_nodes": made.lymph_nodes,
    }
    masks = {role: registration.carry_mask(mask, None, venous) for role, mask in masks.items()}
    ranges = {anatomy["labels"][name]: ends for name, ends in anatomy["ranges_mm"].items()}
    found = attention.attention_map(masks["organs"].array, venous.spacing, ranges)
    images = {"arterial": arterial, "venous": venous, "map": venous.with_array(found), **masks}
    for name, image in images.items():
        volumes.write_volume(folder / f"{name}.nii.gz", image)
    files.write_json(folder / "record.json", {"failed": record["failed"]})


# Networks


def name_of(seed, far, variant):
    return f"seed{seed}_far{far}_{variant}"


def rows_file(options, *which):
    return Path(options.out, "rows", f"{name_of(*which)}.tsv")


def learn(options, seed, far, variant):
    """Train one network and find the test patients' nodes with it."""
    from nodestage.core import checkpoints
    from nodestage.core.run import Run
    from nodestage.lymph_nodes.crossfitting import Fold
    from nodestage.lymph_nodes.training import train_fold

    if rows_file(options, seed, far, variant).exists():
        return ""
    name, started = name_of(seed, far, variant), time.monotonic()
    train, validation, test = split(options, cohort(options, seed, far)[1])
    model = Path(options.out, "models", f"{name}.pt")
    settings = network(options) | {"variants": [variant]}
    with logs.to(Path(options.out, "logs", f"{name}.log")):
        if not model.exists():
            patients = {
                patient: {
                    channel: folder_of(options, seed, far, patient) / f"{channel}.nii.gz"
                    for channel in CHANNELS
                }
                for patient in train + validation
            }
            run = Run(seed, model, Path(options.out, "work", name), label=name)
            train_fold(Fold(patients, train, validation, []), settings, run)
        trained = time.monotonic()
        held = checkpoints.load(model)
        rows = [
            {"seed": seed, "far": far, "variant": variant, "patient": patient}
            | judge(held, variant, folder_of(options, seed, far, patient), settings)
            for patient in test
        ]
        tables.write(rows_file(options, seed, far, variant), rows, list(COLUMNS))
    network_ = held["networks"][variant]
    history = network_["history"]["mean_fg_dice"]
    return (
        f"{name}: {trained - started:.0f} s to train, {time.monotonic() - trained:.0f} s for "
        f"{len(test)} patients; epoch {network_['epoch']} of {options.epochs} kept; validation Dice "
        + " ".join(f"{value:.2f}" for value in history[:: max(1, len(history) // 8)])
    )


def judge(model, variant, folder, settings):
    """One test patient's row: rates at probability 0.5, and counts at every one."""
    from nodestage.core import volumes
    from nodestage.lymph_nodes.images import Images
    from nodestage.lymph_nodes.instances import components
    from nodestage.lymph_nodes.prediction import highest_probability, log_odds
    from nodestage.simulator import lesions

    image = {
        name: volumes.read(folder / f"{name}.nii.gz")
        for name in (*CHANNELS, "organs", "confounders")
    }
    truth, spacing = image["lymph_nodes"].array, image["venous"].spacing
    images = Images(*(image[c].array for c in CHANNELS[:3]), spacing)
    margin = log_odds(model, variant, images, settings)

    def instances(probability):
        above = margin > np.log(probability / (1 - probability))
        return components(above, spacing, settings["min_volume_mm3"])

    found = instances(settings["threshold"])
    confidence = highest_probability(found, margin)
    seen = metrics.evaluate_lymph_nodes(
        truth,
        found,
        confidence,
        spacing,
        context=metrics.Context(image["organs"].array, image["map"].array, confidence=confidence),
    )
    wrong = [row for row in seen["candidates"] if row["node"] is None]
    places = {place: sum(row["place"] == place for row in wrong) for place in metrics.PLACES}
    far = np.isin(image["confounders"].array, (lesions.OUTSIDE, lesions.INSIDE))
    on_far = set(np.unique(found[far]))
    places["on a far confounder"] = sum(row["instance"] in on_far for row in wrong)
    places["anywhere"] = len(wrong)
    nodes = metrics.label_instances(truth)
    counts = np.array([metrics.match_instances(nodes, instances(p)) for p in PROBABILITIES])
    listed = {
        key: " ".join(map(str, column))
        for key, column in zip(("tp", "fp", "fn"), counts.T, strict=True)
    }
    agnostic = next(row for row in seen["classes"] if row["class"] == "any")
    return {measure: agnostic[measure] for measure in MEANS} | places | listed


# Tables


class Seen:
    """What a setting's networks did to their shared test patients, and its resamples.

    `patients` are (seed, code); `copies` (n + 1, patients) says how often each stands in a
    resample, drawn within the seeds; row 0 holds every patient once.
    """

    def __init__(self, rows, seeds, n=1000):
        by = {
            v: {(r["seed"], r["patient"]): r for r in rows if r["variant"] == v} for v in VARIANTS
        }
        self.rows = {v: mine for v, mine in by.items() if mine}
        self.patients = sorted(set.intersection(*(set(mine) for mine in self.rows.values())))
        random = np.random.default_rng(0)
        self.copies = np.ones((n + 1, len(self.patients)))
        for seed in seeds:
            mine = np.array([int(s) == seed for s, _ in self.patients])
            if mine.any():
                self.copies[1:, mine] = random.multinomial(
                    mine.sum(), np.full(mine.sum(), 1 / mine.sum()), size=n
                )

    def column(self, variant, name):
        return np.array([tables.number(self.rows[variant][p][name]) for p in self.patients])

    def mean(self, variant, name):
        """Mean over the patients where it is defined, and its resamples (n + 1,)."""
        value = self.column(variant, name)
        known = ~np.isnan(value)
        return self.copies[:, known] @ value[known] / self.copies[:, known].sum(1)

    def _counts(self, variant):
        """Summed tp, fp, fn (n + 1, probabilities)."""
        for key in ("tp", "fp", "fn"):
            listed = [self.rows[variant][p][key].split() for p in self.patients]
            yield self.copies @ np.array(listed, float)

    def curve(self, variant):
        """Pooled recall and precision (n + 1, probabilities)."""
        return _rates(*self._counts(variant))

    def matched(self, one, other):
        """Recall that both reach at probability 0.5, and each one's best precision from there on."""
        curves = [self.curve(variant) for variant in (one, other)]
        recall = np.minimum(*(found[:, HALF] for found, _ in curves))
        precision = [
            np.where(found >= recall[:, None] - 1e-9, value, 0).max(1) for found, value in curves
        ]
        return recall, *precision

    def cut(self, one, other):
        """What a map could do afterwards: `other` at 0.5 without its false positives beyond range.

        Precision of `one`, at no less recall, and of `other`.
        """
        tp, fp, fn = self._counts(other)
        beyond = self.copies @ self.column(other, metrics.PLACES[1])
        recall, precision = _rates(tp[:, HALF], fp[:, HALF] - beyond, fn[:, HALF])
        found, value = self.curve(one)
        return np.where(found >= recall[:, None] - 1e-9, value, 0).max(1), precision


def _rates(tp, fp, fn):
    """Recall and precision from counts."""
    with np.errstate(invalid="ignore"):
        return tp / (tp + fn), np.where(tp + fp > 0, tp / (tp + fp), 0)


def interval(values):
    """A value with its 95 % interval, from itself and its resamples."""
    low, high = np.nanpercentile(values[1:], [2.5, 97.5])
    return f"{values[0]:+.3f} [{low:+.3f}, {high:+.3f}]"


def line(*cells):
    print("| " + " | ".join(str(c) for c in cells) + " |", flush=True)


def head(*cells):
    print()
    line(*cells)
    line(*["---"] * len(cells))


def show(options):
    rows = [
        row
        for which in itertools.product(options.seeds, options.far, VARIANTS)
        if rows_file(options, *which).exists()
        for row in tables.read(rows_file(options, *which))
    ]
    settings = {}
    for far in options.far:
        mine = [row for row in rows if int(row["far"]) == far]
        if {row["variant"] for row in mine} == set(VARIANTS):
            settings[far] = Seen(mine, options.seeds)
    for far, seen in settings.items():
        head(
            f"far_confounders: {far}; {len(seen.patients)} test patients", "Dice", "F", "recall",
            "precision", *(f"false positives {place}" for place in PLACES),
        )  # fmt: skip
        for variant in seen.rows:
            values = [f"{seen.mean(variant, m)[0]:.3f}" for m in MEANS]
            line(variant, *values, *(f"{seen.mean(variant, p)[0]:.2f}" for p in PLACES))
    for far, seen in settings.items():
        others = VARIANTS[:-1]
        head(f"attention minus, far_confounders: {far}", *others)
        for measure in (*MEANS, *PLACES):
            gaps = [seen.mean("attention", measure) - seen.mean(other, measure) for other in others]
            line(measure, *map(interval, gaps))
        pairs = [seen.matched("attention", other) for other in others]
        line("precision at matched recall", *(interval(ours - theirs) for _, ours, theirs in pairs))
        line(
            "that recall; precisions",
            *(f"{r[0]:.2f}; {a[0]:.3f} and {b[0]:.3f}" for r, a, b in pairs),
        )
        pairs = [seen.cut("attention", other) for other in others]
        line("the same, the other cut to the map", *(interval(a - b) for a, b in pairs))
        line("those precisions", *(f"{a[0]:.3f} and {b[0]:.3f}" for a, b in pairs))
    for far, seed in itertools.product(settings, options.seeds):
        mine = [row for row in rows if (int(row["far"]), int(row["seed"])) == (far, seed)]
        if {row["variant"] for row in mine} == set(VARIANTS):
            alone = Seen(mine, [seed])
            gaps = [alone.matched("attention", other) for other in VARIANTS[:-1]]
            line(
                f"seed {seed}, far_confounders: {far}, precision at matched recall",
                *(interval(ours - theirs) for _, ours, theirs in gaps),
            )
    if len(settings) == 2:
        many, none = settings.values()
        head(
            "gain of attention over", "with far confounders", "without", "without / with",
            "without - with / 3",
        )  # fmt: skip
        for other in VARIANTS[:-1]:
            with_far, without = (
                ours - theirs
                for _, ours, theirs in (seen.matched("attention", other) for seen in (many, none))
            )
            line(
                f"{other}: precision at matched recall", interval(with_far), interval(without),
                f"{np.divide(without[0], with_far[0]):.2f}", interval(without - with_far / 3),
            )  # fmt: skip


# The run


def run(function, *arguments):
    """A job of the pool: what ends a job of the workflow would end the pool's process."""
    try:
        return function(*arguments)
    except logs.Failed as failed:
        raise RuntimeError(str(failed.__cause__)) from None


def many(pool_size, jobs, label):
    """Run (function, *arguments) in processes of their own; every failure is reported, none stops the others."""
    context, failed, started = multiprocessing.get_context("spawn"), [], time.monotonic()
    with concurrent.futures.ProcessPoolExecutor(pool_size, mp_context=context) as pool:
        running = {pool.submit(run, *job): job for job in jobs}
        for done, future in enumerate(concurrent.futures.as_completed(running), start=1):
            error = future.exception()
            if error is not None:
                failed.append(f"{running[future][2:]}: {error!r}")
                print(f"FAILED {failed[-1]}", flush=True)
            text = "" if error is not None else future.result()
            if text or done % 50 == 0 or done == len(running):
                spent = time.monotonic() - started
                print(f"{label}: {done} of {len(running)}, {spent:.0f} s. {text or ''}", flush=True)
    if failed:
        sys.exit(f"{len(failed)} of {len(running)} failed; run again to go on with them")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("out", help="folder of patients, networks and rows")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the simulator and the networks")
    add("--far", type=int, nargs="+", default=[4, 0], help="far confounders a patient")
    add("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    add("--training", type=int, default=60, help="patients")
    add("--validation", type=int, default=15, help="patients")
    add("--test", type=int, default=40, help="patients")
    add("--patch", type=int, nargs=3, default=[24, 48, 48], help="z y x")
    add("--features", type=int, nargs="+", default=[16, 32, 64], help="a stage each")
    add("--convolutions", type=int, default=1, help="a stage")
    add("--batch", type=int, default=4, help="patches a step")
    add("--optimizer", default="adam", choices=["adam", "sgd"])
    add("--lr", type=float, default=0.003)
    add("--steps", type=int, default=1500)
    add("--epochs", type=int, default=30, help="parts of the training, validated each")
    add("--choose", default="best", choices=["best", "last"], help="epoch")
    add("--jobs", type=int, default=1, help="patients at a time")
    add("--trainings", type=int, default=1, help="networks at a time")
    add("--patients-only", action="store_true", help="train nothing yet")
    add("--tables", action="store_true", help="print what is there, run nothing")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if not options.tables:
        # The study's setting first: a run that is cut short has whole settings.
        groups = [(seed, far) for far in options.far for seed in options.seeds]
        jobs = [
            (make_patient, options, seed, far, row)
            for seed, far in groups
            for row in cohort(options, seed, far)[1]
        ]
        many(options.jobs, jobs, "patients")
        records = [
            files.read_json(folder_of(options, seed, far, row["patient"]) / "record.json")
            for _, _, seed, far, row in jobs
        ]
        print(f"registration failed in {sum(record['failed'] for record in records)} patients")
        if options.patients_only:
            return
        jobs = [
            (learn, options, seed, far, variant)
            for seed, far in groups
            for variant in options.variants
        ]
        many(options.trainings, jobs, "networks")
    show(options)


if __name__ == "__main__":
    main()
