"""DeLong's test against pROC, and how fast DeLong and bootstrap are against plain versions.

    python benchmarks/inference.py                   speed alone
    python benchmarks/inference.py --proc FOLDER     differences to pROC too

FOLDER holds `expected.tsv` and `case_NN.tsv` with `label`, `score_a`, `score_b`. Both sides of a
ratio run in turns in one process on one thread; medians of CPU seconds are printed as Markdown.
"""

import argparse
import csv
import time
from pathlib import Path

import numpy as np

from nodestage import statistics

N, POSITIVES, METHODS, RESAMPLES = 749, 351, 10, 1000
METRICS = ("sensitivity", "specificity", "accuracy", "balanced_accuracy", "auc")
ROUNDS = 7
FEW = 5  # resamples of the slow loop a round; its time is multiplied


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as handle:
        return [
            {key: value.strip() for key, value in row.items()}
            for row in csv.DictReader(handle, delimiter="\t")
        ]


def proc(folder):
    """Largest differences to pROC's AUC, interval ends, z and p."""
    worst, cohorts = {}, rows_of(folder / "expected.tsv")
    for expected in cohorts:
        rows = rows_of(folder / f"case_{int(expected['case']):02d}.tsv")
        y = np.array([int(row["label"]) for row in rows])
        a, b = (np.array([float(row[f"score_{s}"]) for row in rows]) for s in "ab")
        found = statistics.delong_test(y, a, b)._asdict()
        for name, score in (("a", a), ("b", b)):
            found[f"ci_{name}_low"], found[f"ci_{name}_high"] = statistics.auc_ci(y, score)
        for name, value in found.items():
            worst[name] = max(worst.get(name, 0), abs(value - float(expected[name])))
    print(f"\n{len(cohorts)} cohorts, largest difference to pROC\n\n| value | difference |")
    print("| --- | --- |")
    for name, value in worst.items():
        print(f"| {name} | {value:.1e} |")


def speed():
    random = np.random.default_rng(0)
    y = np.repeat([1, 0], [POSITIVES, N - POSITIVES])
    scores = random.normal(size=(METHODS, N)) + 0.5 * y
    calls = (scores > 0.25).astype(int)
    times = {}

    def measure(name, task, repeat=1):
        start = time.process_time()
        for _ in range(repeat):
            task()
        times.setdefault(name, []).append((time.process_time() - start) / repeat)

    drawn = np.stack(
        [
            np.concatenate(
                [
                    random.integers(0, POSITIVES, POSITIVES),
                    random.integers(POSITIVES, N, N - POSITIVES),
                ]
            )
            for _ in range(FEW)
        ]
    )

    def ours(seed):
        for metric in METRICS:
            values = scores if metric == "auc" else calls
            statistics.distributions(y, values, metric, RESAMPLES, seed)

    ours(ROUNDS)
    same = plain_delong(y, scores[0], scores[1]), midrank_delong(y, scores[0], scores[1])
    assert np.allclose(same, statistics.delong_test(y, scores[0], scores[1]).z)
    scikit_learn(y, scores, calls, drawn[:1])
    for turn in range(ROUNDS):
        measure("delong", lambda: statistics.delong_test(y, scores[0], scores[1]), 50)
        measure("midranks", lambda: midrank_delong(y, scores[0], scores[1]), 2)
        measure("pairs", lambda: plain_delong(y, scores[0], scores[1]))
        # A new seed each round, so that no resample is kept from the one before.
        measure("ours", lambda seed=turn: ours(seed))
        measure("loop", lambda: scikit_learn(y, scores, calls, drawn))
    middle = {name: float(np.median(values)) for name, values in times.items()}
    middle["loop"] *= RESAMPLES / FEW
    print(f"\nn = {N}, medians of {ROUNDS} rounds in turns\n\n| task | CPU seconds | ratio |")
    print("| --- | --- | --- |")
    print(f"| DeLong's test, ours | {middle['delong']:.6f} | 1 |")
    for name, words in (("midranks", "midranks by counting"), ("pairs", "all pairs by loops")):
        ratio = middle[name] / middle["delong"]
        print(f"| DeLong's test, {words} | {middle[name]:.4f} | {ratio:.0f} |")
    print(
        f"| {RESAMPLES} bootstraps x 5 metrics x {METHODS} methods, ours | {middle['ours']:.3f} | 1 |"
    )
    ratio = middle["loop"] / middle["ours"]
    print(
        f"| the same in a loop over scikit-learn ({FEW} resamples) | {middle['loop']:.1f} | {ratio:.0f} |"
    )


def midrank_delong(y, a, b):
    """z by midranks as the definition has them: one more than those below, ties in the middle."""

    def ranks(values):
        return np.array([1 + np.sum(values < v) + (np.sum(values == v) - 1) / 2 for v in values])

    parts = []
    for score in (a, b):
        x, z = score[y == 1], score[y == 0]
        both = ranks(np.concatenate([x, z]))
        parts.append(
            (
                (both[: len(x)] - ranks(x)) / len(z),
                1 - (both[len(x) :] - ranks(z)) / len(x),
            )
        )
    return _z(parts)


def plain_delong(y, a, b):
    """z from the kernel over all pairs."""
    parts = []
    for score in (a, b):
        x, z = score[y == 1], score[y == 0]
        kernel = np.array([[1.0 if p > q else 0.5 if p == q else 0.0 for q in z] for p in x])
        parts.append((kernel.mean(1), kernel.mean(0)))
    return _z(parts)


def _z(parts):
    (x_a, z_a), (x_b, z_b) = parts
    variance = (x_a - x_b).var(ddof=1) / len(x_a) + (z_a - z_b).var(ddof=1) / len(z_a)
    return (x_a.mean() - x_b.mean()) / np.sqrt(variance)


def scikit_learn(y, scores, calls, drawn):
    from sklearn import metrics as sk

    for i in drawn:
        for m in range(METHODS):
            sk.recall_score(y[i], calls[m][i])
            sk.recall_score(y[i], calls[m][i], pos_label=0)
            sk.accuracy_score(y[i], calls[m][i])
            sk.balanced_accuracy_score(y[i], calls[m][i])
            sk.roc_auc_score(y[i], scores[m][i])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--proc", type=Path, help="folder of pROC's reference results")
    given = parser.parse_args()
    if given.proc:
        proc(given.proc)
    speed()
