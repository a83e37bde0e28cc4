"""How often the intervals hold the truth and the tests reject a true null, by simulation.

    python benchmarks/intervals.py                        2,000 cohorts a line, about five minutes
    python benchmarks/intervals.py --cohorts 200
    python benchmarks/intervals.py --save sums.json       may be stopped and started again
    python benchmarks/intervals.py --parts few folds      some of the simulations: cohorts, nodes,
                                                          few, folds, shifted, centers

Cohorts of one line share their sizes, so that a hundred of them pass through one set of resamples
as if they were a hundred methods. Every number comes from `nodestage.statistics` as the tables
call it. Scores are normal with variance 1 (half of it shared by the methods); the threshold lies
in the middle between the classes, in folds somewhat beside it. Tables go to stdout as Markdown.
"""

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
from scipy.stats import norm

from nodestage import statistics
from nodestage.core import files
from nodestage.statistics import bootstrap, centers, intervals, rates

SETTINGS = ((59, 37), (59, 10), (132, 66), (132, 39), (749, 351), (749, 100))
NODES = (59, 132, 749)  # patients with none to six nodes each
FEW = (1, 2, 3, 4, 5, 8, 10)  # patients with metastasis beside `BESIDE_FEW` without
BESIDE_FEW = 40
IN_FOLD = (1, 2, 3)  # the same in each of five folds, beside 8 without
SHIFTED = ((249, 117), (749, 351))
CENTERS = tuple(itertools.product((2, 3, 5), (0.0, 0.3, 0.6)))  # centers, SD between them (logit)
BLOCK = 100
CALLS = ("balanced_accuracy", "accuracy", "sensitivity", "specificity")
EFFECT, WEAKER = 0.7, 0.35  # difference of the classes' means: AUC 0.69 and 0.60
SHARED = 0.5
FOLDS = 5
BESIDE = np.array([-0.4, -0.2, 0.0, 0.2, 0.4])  # the folds' thresholds, beside the middle
SHIFT = np.array([-1.0, 0.5, 0.0, 1.0, -0.5])  # zero of the folds' score scales, method a alone

NODE_NAMES = (
    "accuracy, patients resampled",
    "accuracy, nodes resampled",
    "AUC, patients resampled",
    "AUC, nodes resampled",
)
TABLES = {
    "Coverage of 95 % intervals: pooled, or an external center": (
        "AUC, DeLong",
        "AUC, bootstrap",
        *(f"{metric}, bootstrap" for metric in CALLS),
        *(f"{metric}, exact" for metric in CALLS[1:]),
    ),
    "Coverage of 95 % intervals: mean of five folds": (
        "AUC, DeLong by fold",
        "AUC, bootstrap by fold",
        *(f"{metric}, bootstrap by fold" for metric in CALLS),
    ),
    "Coverage of 95 % intervals: difference of two methods, paired bootstrap": (
        "difference, AUC",
        *(f"difference, {metric}" for metric in CALLS),
    ),
    "Size of tests at 0.05: two equally good methods": (
        "DeLong",
        "DeLong by fold",
        "DeLong, folds pooled",
        "paired bootstrap, AUC",
        *(f"paired bootstrap, {metric}" for metric in CALLS),
        *(f"McNemar, {metric}" for metric in CALLS[1:]),
        "Wilcoxon on bootstrap, balanced_accuracy",
    ),
    "Coverage of 95 % intervals: lymph nodes": NODE_NAMES,
    "Few patients with metastasis: coverage of 95 % intervals, size of the bootstrap at 0.05": (
        "balanced_accuracy, MOVER",
        "its width",
        "balanced_accuracy, resampled",
        "sensitivity, exact",
        "size, balanced_accuracy",
    ),
    "Few in each fold: coverage of 95 % intervals of the mean of five folds": (
        "balanced_accuracy, resampled by fold",
        "sensitivity, resampled by fold",
        "AUC, resampled by fold",
    ),
    "Two equally good methods, the scores of one shifted by up to ± 1 from fold to fold": (
        "difference of AUCs by fold held, DeLong",
        "difference of pooled AUCs held, bootstrap",
        "size by fold, DeLong",
        "size by fold, bootstrap",
        "size pooled, bootstrap",
    ),
    "Coverage of 95 % intervals over centers: sensitivities from 25 to 60 patients": (
        "Hartung and Knapp, q at least 1",
        "its width in logits",
        "normal quantiles",
        "normal width",
    ),
}
HEADS = {
    "of cohorts": ("n", "positives"),
    "nodes": ("patients",),
    "few": (f"with metastasis, beside {BESIDE_FEW} without",),
    "folds": ("with metastasis in each fold",),
    "shifted": ("patients", "with metastasis"),
    "centers": ("centers", "SD between them"),
}


def block(n, positives, seed):
    """{name: number of `BLOCK` cohorts in which the interval held or the test rejected}."""
    random = np.random.default_rng(seed)
    y = np.repeat([1, 0], [positives, n - positives])
    common = random.normal(size=(BLOCK, n)) * SHARED**0.5
    own = (random.normal(size=(BLOCK, n)) * (1 - SHARED) ** 0.5 for _ in range(3))
    effects = (EFFECT, EFFECT, WEAKER)
    a, b, weak = (common + noise + effect * y for noise, effect in zip(own, effects, strict=True))
    found = {}

    def add(name, hits):
        found[name] = found.get(name, 0) + int(np.sum(hits))

    values = {"auc": np.concatenate([a, b, weak])}
    call_a, call_b, call_weak = (
        (score > effect / 2).astype(float)
        for score, effect in zip((a, b, weak), effects, strict=True)
    )
    values |= dict.fromkeys(CALLS, np.concatenate([call_a, call_b, call_weak]))
    truth = {metric: norm.cdf(EFFECT / 2) for metric in CALLS} | {"auc": norm.cdf(EFFECT / 2**0.5)}
    gap = {metric: truth[metric] - norm.cdf(WEAKER / 2) for metric in CALLS}
    gap["auc"] = truth["auc"] - norm.cdf(WEAKER / 2**0.5)
    for metric, methods in values.items():
        name = "AUC" if metric == "auc" else metric
        drawn = statistics.distributions(y, methods, metric, seed=seed)
        of_a, of_b, of_weak = np.split(drawn, 3)
        add(f"{name}, bootstrap", held(of_a, truth[metric]))
        add(f"difference, {name}", held(of_a - of_weak, gap[metric]))
        # p and Wilcoxon take the distribution alone; the estimate stands beside them.
        null = [bootstrap.paired_from(0.0, gaps).p_value for gaps in of_a - of_b]
        add(f"paired bootstrap, {name}", np.array(null) < 0.05)
        if metric == "balanced_accuracy":
            p = [bootstrap.wilcoxon_from(gaps) for gaps in of_a - of_b]
            add(f"Wilcoxon on bootstrap, {metric}", np.array(p) < 0.05)

    fold = np.concatenate([np.arange(positives), np.arange(n - positives)]) % FOLDS
    cut = EFFECT / 2 + BESIDE[fold]
    in_folds = {"auc": a} | dict.fromkeys(CALLS, (a > cut).astype(float))
    truth = {
        "sensitivity": norm.cdf(EFFECT / 2 - BESIDE).mean(),
        "specificity": norm.cdf(EFFECT / 2 + BESIDE).mean(),
        "auc": truth["auc"],
    }
    shares = [np.mean(y[fold == k]) for k in range(FOLDS)]
    by_fold = norm.cdf(EFFECT / 2 - BESIDE), norm.cdf(EFFECT / 2 + BESIDE)
    truth["accuracy"] = np.mean(
        [p * s + (1 - p) * t for p, s, t in zip(shares, *by_fold, strict=True)]
    )
    truth["balanced_accuracy"] = (truth["sensitivity"] + truth["specificity"]) / 2
    for metric, methods in in_folds.items():
        name = "AUC" if metric == "auc" else metric
        drawn = statistics.distributions(
            y, methods, metric, seed=seed, design=statistics.Design(strata=fold)
        )
        add(f"{name}, bootstrap by fold", held(drawn, truth[metric]))

    shifted = a + SHIFT[fold]
    side = {"accuracy": y >= 0, "sensitivity": y == 1, "specificity": y == 0}
    for i in range(BLOCK):
        add("AUC, DeLong", inside(statistics.auc_ci(y, a[i]), truth["auc"]))
        by_fold = statistics.auc_ci(y, shifted[i], strata=fold)
        add("AUC, DeLong by fold", inside(by_fold, truth["auc"]))
        for metric, share in rates.shares(y, call_a[i]).items():
            if metric in side:
                right = norm.cdf(EFFECT / 2)
                add(f"{metric}, exact", inside(statistics.exact_interval(*share), right))
        add("DeLong", statistics.delong_test(y, a[i], b[i]).p < 0.05)
        add("DeLong by fold", statistics.delong_test(y, shifted[i], b[i], fold).p < 0.05)
        add("DeLong, folds pooled", statistics.delong_test(y, shifted[i], b[i]).p < 0.05)
        for metric, of in side.items():
            p = statistics.mcnemar(y[of], call_a[i][of], call_b[i][of])
            add(f"McNemar, {metric}", p < 0.05)
    return found


def nodes(patients, seed):
    """The same for instance-level intervals, where nodes of one patient are alike."""
    random = np.random.default_rng(seed)
    found = dict.fromkeys(NODE_NAMES, 0)
    effect, alike = 1.0, 0.4  # share of the score's variance that a patient's nodes have in common
    right, area = norm.cdf(effect / 2), norm.cdf(effect / 2**0.5)
    for i in range(BLOCK):
        patient = np.repeat(np.arange(patients), random.integers(0, 7, patients))
        y = (random.random(len(patient)) < 0.3).astype(int)
        own = random.normal(size=len(patient)) * (1 - alike) ** 0.5
        score = effect * y + own + (random.normal(size=patients) * alike**0.5)[patient]
        call = (score > effect / 2).astype(float)
        for name, clusters in (("patients", patient), ("nodes", None)):
            how = {"seed": seed * BLOCK + i, "design": statistics.Design(clusters=clusters)}
            ends = statistics.bootstrap_ci(y, call, "accuracy", **how)
            found[f"accuracy, {name} resampled"] += inside(ends, right)
            ends = statistics.bootstrap_ci(y, score, "auc", **how)
            found[f"AUC, {name} resampled"] += inside(ends, area)
    return found


def few(positives, seed):
    """Balanced accuracy where a class is so small that the tables give no bootstrap."""
    random = np.random.default_rng(seed)
    y = np.repeat([1, 0], [positives, BESIDE_FEW])
    common = random.normal(size=(BLOCK, len(y))) * SHARED**0.5
    a, b = (
        (common + random.normal(size=common.shape) * (1 - SHARED) ** 0.5 + EFFECT * y > EFFECT / 2)
        for _ in range(2)
    )
    right = norm.cdf(EFFECT / 2)
    of_a, of_b = np.split(
        statistics.distributions(y, np.concatenate([a, b]).astype(float), CALLS[0], seed=seed), 2
    )
    shares = [rates.shares(y, call) for call in a]
    ends = [intervals.mover(*part["sensitivity"], *part["specificity"]) for part in shares]
    exact = [statistics.exact_interval(*part["sensitivity"]) for part in shares]
    return {
        "balanced_accuracy, MOVER": sum(inside(part, right) for part in ends),
        "its width": float(np.sum(np.diff(ends))),
        "balanced_accuracy, resampled": int(held(of_a, right).sum()),
        "sensitivity, exact": sum(inside(part, right) for part in exact),
        "size, balanced_accuracy": sum(
            bootstrap.paired_from(0.0, gaps).p_value < 0.05 for gaps in of_a - of_b
        ),
    }


def in_folds(positives, seed):
    """The mean of five folds with few patients with metastasis in each."""
    random = np.random.default_rng(seed)
    y = np.repeat([1, 0], [FOLDS * positives, FOLDS * 8])
    fold = np.arange(len(y)) % FOLDS
    score = random.normal(size=(BLOCK, len(y))) + EFFECT * y
    call, right = (score > EFFECT / 2).astype(float), norm.cdf(EFFECT / 2)
    found = {}
    for metric, values, truth in (
        ("balanced_accuracy", call, right),
        ("sensitivity", call, right),
        ("auc", score, norm.cdf(EFFECT / 2**0.5)),
    ):
        drawn = statistics.distributions(
            y, values, metric, seed=seed, design=statistics.Design(strata=fold)
        )
        name = "AUC" if metric == "auc" else metric
        found[f"{name}, resampled by fold"] = int(held(drawn, truth).sum())
    return found


def shifted(n, positives, seed):
    """A difference of AUCs that is 0 in every fold, over folds whose scales differ for one method."""
    random = np.random.default_rng(seed)
    y = np.repeat([1, 0], [positives, n - positives])
    fold = np.concatenate([np.arange(positives), np.arange(n - positives)]) % FOLDS
    common = random.normal(size=(BLOCK, n)) * SHARED**0.5 + EFFECT * y
    a, b = (common + random.normal(size=(BLOCK, n)) * (1 - SHARED) ** 0.5 for _ in range(2))
    a = a + SHIFT[fold]
    methods = np.concatenate([a, b])
    pooled = np.subtract(*np.split(statistics.distributions(y, methods, "auc", seed=seed), 2))
    by_fold = statistics.distributions(
        y, methods, "auc", seed=seed, design=statistics.Design(strata=fold)
    )
    by_fold = np.subtract(*np.split(by_fold, 2))
    pairs = list(zip(a, b, strict=True))
    ends = [statistics.difference_ci(y, *pair, strata=fold) for pair in pairs]
    return {
        "difference of AUCs by fold held, DeLong": sum(inside(part, 0) for part in ends),
        "difference of pooled AUCs held, bootstrap": int(held(pooled, 0).sum()),
        "size by fold, DeLong": sum(
            statistics.delong_test(y, *pair, fold).p < 0.05 for pair in pairs
        ),
        "size by fold, bootstrap": sum(
            bootstrap.paired_from(0.0, gaps).p_value < 0.05 for gaps in by_fold
        ),
        "size pooled, bootstrap": sum(
            bootstrap.paired_from(0.0, gaps).p_value < 0.05 for gaps in pooled
        ),
    }


def over_centers(k, between, seed):
    """The interval of random effects, beside the same with normal quantiles."""
    random = np.random.default_rng(seed)
    middle = np.log(0.65 / 0.35)
    found = dict.fromkeys(("Hartung and Knapp, q at least 1", "its width in logits"), 0)
    found |= dict.fromkeys(("normal quantiles", "normal width"), 0)
    for _ in range(BLOCK):
        size = random.integers(25, 61, k)
        truth = 1 / (1 + np.exp(-random.normal(middle, between, k)))
        shares = [
            centers.share_of(int(s), int(m))
            for s, m in zip(random.binomial(size, truth), size, strict=True)
        ]
        value, variance = np.array(shares).T
        ours = statistics.random_effects(value, variance)
        ends = {"ours": (logit(ours["low"]), logit(ours["high"]))}
        weights = 1 / (variance / (value * (1 - value)) ** 2 + ours["tau2"])
        reach = norm.ppf(0.975) / weights.sum() ** 0.5
        ends["normal"] = logit(ours["estimate"]) - reach, logit(ours["estimate"]) + reach
        found["Hartung and Knapp, q at least 1"] += inside(ends["ours"], middle)
        found["its width in logits"] += float(np.diff(ends["ours"])[0])
        found["normal quantiles"] += inside(ends["normal"], middle)
        found["normal width"] += float(2 * reach)
    return found


def logit(share):
    return np.log(share / (1 - share))


def held(drawn, truth):
    """Which of many bootstrap distributions (cohorts, resamples) have the truth in their interval."""
    low, high = np.percentile(drawn, [2.5, 97.5], axis=1)
    return (low <= truth + 1e-12) & (truth - 1e-12 <= high)


def inside(ends, truth):
    return int(ends[0] <= truth <= ends[1])


PARTS = {
    "cohorts": (block, SETTINGS, "{}/{}"),
    "nodes": (nodes, [(n,) for n in NODES], "{}/nodes"),
    "few": (few, [(n,) for n in FEW], "{}/few"),
    "folds": (in_folds, [(n,) for n in IN_FOLD], "{}/folds"),
    "shifted": (shifted, SHIFTED, "{}/{}/shifted"),
    "centers": (over_centers, CENTERS, "{}/{}/centers"),
}
"""{part: (function, its arguments line by line, key of a line)}"""


def simulate(cohorts, save, parts=tuple(PARTS)):
    """{key of a line: {name: hits, "cohorts": number}}, kept in `save` between blocks."""
    sums = json.loads(save.read_text()) if save and save.exists() else {}
    for part, number in itertools.product(parts, range(cohorts // BLOCK)):
        function, lines, form = PARTS[part]
        for given in lines:
            done = sums.setdefault(form.format(*given), {"cohorts": 0})
            if done["cohorts"] > number * BLOCK:
                continue
            for name, hits in function(*given, number).items():
                done[name] = done.get(name, 0) + hits
            done["cohorts"] += BLOCK
            if save:
                files.write_json(save, sums)
    return sums


def show(sums):
    for title, names in TABLES.items():
        lines = {key: part for key, part in sums.items() if set(names) <= set(part)}
        if not lines:
            continue
        lines = dict(sorted(lines.items(), key=lambda line: float(line[0].split("/")[0])))
        kind = next(iter(lines)).rpartition("/")[2]
        heads = [*HEADS.get(kind, HEADS["of cohorts"]), *names]
        print(f"\n**{title}**\n\n| {' | '.join(heads)} |".replace("_", " "))
        print("| --- " * len(heads) + "|")
        for key, part in lines.items():
            size = (
                key.removesuffix(f"/{kind}").replace("/", " | ")
                if kind in HEADS
                else key.replace("/", " | ")
            )
            shares = " | ".join(f"{part[name] / part['cohorts']:.3f}" for name in names)
            print(f"| {size} | {shares} |")
    print(f"\n{min(part['cohorts'] for part in sums.values())} cohorts a line.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=2000, help=f"a line, in steps of {BLOCK}")
    parser.add_argument("--save", type=Path, help="file of sums, to go on from")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    given = parser.parse_args()
    show(simulate(given.cohorts, given.save, given.parts))
