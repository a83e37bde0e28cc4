"""Evidence for the statistics: pROC, Table VII, coverage and size, speed.

    python benchmarks/statistics.py                      everything
    python benchmarks/statistics.py proc table_vii speed coverage=400

`coverage=N` simulates N cohorts a setting (2,000 by default). Tables go to stdout as Markdown.
"""

import csv
import itertools
import sys
import time
from pathlib import Path

import numpy as np
from scipy.stats import norm

from nodestage import statistics
from nodestage.statistics import rates

HERE = Path(__file__).resolve().parents[1]
PROC = HERE.parent / "shared" / "data" / "reference" / "delong"
PAPER = HERE.parent / "shared" / "paper"
CENTERS = {"ext1": (39, 93), "ext2": (37, 22)}
RATES = {"balanced_accuracy": "balacc", "accuracy": "acc", "sensitivity": "sens", "specificity": "spec"}  # fmt: skip


def rows_of(path, delimiter="\t"):
    with open(path, newline="", encoding="utf-8") as handle:
        return [
            {key: value.strip() for key, value in row.items()}
            for row in csv.DictReader(handle, delimiter=delimiter)
        ]


def proc():
    """Largest differences to pROC's AUC, interval, z and p."""
    worst = {}
    for expected in rows_of(PROC / "expected.tsv"):
        rows = rows_of(PROC / f"case_{int(expected['case']):02d}.tsv")
        y = np.array([int(row["label"]) for row in rows])
        a, b = (np.array([float(row[f"score_{s}"]) for row in rows]) for s in "ab")
        test = statistics.delong_test(y, a, b)
        found = test._asdict()
        for name, score in (("a", a), ("b", b)):
            found[f"ci_{name}_low"], found[f"ci_{name}_high"] = statistics.auc_ci(y, score)
        for name, value in found.items():
            worst[name] = max(worst.get(name, 0), abs(value - float(expected[name])))
    print(
        "\n## Largest difference to pROC, twelve cohorts\n\n| value | difference |\n| --- | --- |"
    )
    for name, value in worst.items():
        print(f"| {name} | {value:.1e} |")


def counts_of(row, positives, negatives):
    """(true positives, positives, true negatives, negatives) that give the printed values.

    The largest n at which sensitivity, specificity, accuracy and balanced accuracy all round to
    what is printed: some methods were scored on fewer patients than the center has.
    """
    printed = {metric: float(row[short]) for metric, short in RATES.items()}

    def fits(size, value):
        return [k for k in range(size + 1) if abs(k / size - value) < 0.0005001]

    best, ways = None, 0
    sizes = itertools.product(range(positives, 0, -1), range(negatives, 0, -1))
    for p, q in sorted(sizes, key=lambda s: -sum(s)):
        if best and p + q < sum(best[1::2]):
            break
        for k in fits(p, printed["sensitivity"]):
            for m in fits(q, printed["specificity"]):
                accuracy = abs((k + m) / (p + q) - printed["accuracy"]) < 0.0005001
                balanced = abs((k / p + m / q) / 2 - printed["balanced_accuracy"]) < 0.0005001
                if accuracy and balanced:
                    best, ways = best or (k, p, m, q), ways + 1
    return best, ways


def ends(counts, metric, seeds):
    """Interval ends (seeds, 2) of the rule for one row of counts, to three decimals."""
    k, p, m, q = counts
    y = np.repeat([1, 0], [p, q])
    call = np.concatenate([np.arange(p) < k, np.arange(q) >= m]).astype(float)
    return np.array(
        [statistics.bootstrap_ci(y, call, metric, seed=seed) for seed in range(seeds)]
    ).round(3)


def table_vii(seeds=500):
    """How many of the 128 printed interval ends the rule can print."""
    print(f"\n## Table VII: printed interval ends within those of {seeds} seeds\n")
    print(
        "| center | method | n | TP of P, TN of N | inside | outside |\n| --- | --- | --- | --- | --- | --- |"
    )
    inside_all = total = 0
    for row in rows_of(PAPER / "table_VII.csv", ","):
        counts, ways = counts_of(row, *CENTERS[row["dataset"]])
        if counts is None:
            total += 8
            print(
                f"| {row['dataset']} | {row['method']} | – | no counts give all four values | 0 of 8 | all |"
            )
            continue
        inside, outside = 0, []
        for metric, short in RATES.items():
            drawn = ends(counts, metric, seeds)
            for i, end in enumerate(("lo", "hi")):
                printed = float(row[f"{short}_{end}"])
                low, high = drawn[:, i].min(), drawn[:, i].max()
                if low - 1e-9 <= printed <= high + 1e-9:
                    inside += 1
                else:
                    outside.append(f"{metric} {end} {printed:.3f} ({low:.3f}-{high:.3f})")
        inside_all, total = inside_all + inside, total + 8
        k, p, m, q = counts
        many = "" if ways == 1 else f" ({ways} ways)"
        print(
            f"| {row['dataset']} | {row['method']} | {p + q} | {k}/{p}, {m}/{q}{many} | {inside} of 8 | {'; '.join(outside)} |"
        )
    print(f"\n{inside_all} of {total} printed ends can be drawn by the rule.")


def table_vi(seeds=100, positives=351, negatives=398):
    """The same for Table VI, as far as it can be: pooled counts from rounded fold means.

    Printed values are fold means; pooled counts are only near them, so the ends are given with
    the counts nearest to the printed sensitivity and specificity.
    """
    print(
        f"\n## Table VI: printed ends within those of {seeds} seeds at the nearest pooled counts\n"
    )
    print(
        "| method | inside | balanced accuracy of the two rates, printed | outside |\n| --- | --- | --- | --- |"
    )
    inside_all = total = 0
    for row in rows_of(PAPER / "table_VI.csv", ","):
        sensitivity, specificity = float(row["sens"]), float(row["spec"])
        counts = (
            round(sensitivity * positives),
            positives,
            round(specificity * negatives),
            negatives,
        )
        inside, outside = 0, []
        for metric, short in RATES.items():
            drawn = ends(counts, metric, seeds)
            for i, end in enumerate(("lo", "hi")):
                printed = float(row[f"{short}_{end}"])
                low, high = drawn[:, i].min(), drawn[:, i].max()
                if low - 0.0015 <= printed <= high + 0.0015:
                    inside += 1
                else:
                    outside.append(f"{metric} {end} {printed:.3f} ({low:.3f}-{high:.3f})")
        inside_all, total = inside_all + inside, total + 8
        both = (sensitivity + specificity) / 2
        print(
            f"| {row['method']} | {inside} of 8 | {both:.4f}, {float(row['balacc']):.3f} | {'; '.join(outside)} |"
        )
    print(f"\n{inside_all} of {total} (one patient's worth of slack, 0.0015, for rounded counts).")


def coverage(cohorts=2000):
    """Coverage of each interval and size of each test over simulated cohorts."""
    print(f"\n## Coverage (nominal 0.95) and size (nominal 0.05), {cohorts} cohorts a line\n")
    print(
        "| n | positives | AUC DeLong | AUC bootstrap | sensitivity | specificity | accuracy | balanced accuracy "
        "| exact sensitivity | size: DeLong | bootstrap AUC | bootstrap bal. acc. | McNemar accuracy | Wilcoxon on bootstrap |"
    )
    print("| " + " | ".join(["---"] * 14) + " |")
    for n, positives in ((59, 37), (59, 10), (132, 39), (132, 66), (749, 351), (749, 100)):
        found = [_cohort(n, positives, seed) for seed in range(cohorts)]
        shares = np.mean(found, axis=0)
        print(
            f"| {n} | {positives} | " + " | ".join(f"{share:.3f}" for share in shares) + " |",
            flush=True,
        )


def _cohort(n, positives, seed, effect=0.7):
    """Covered (1/0) of seven intervals, rejected (1/0) of five tests of a true null."""
    random = np.random.default_rng(seed)
    y = np.repeat([1, 0], [positives, n - positives])
    common = random.normal(size=n) * 0.7
    a, b = (common + random.normal(size=n) * 0.51**0.5 + effect * y for _ in range(2))
    call_a, call_b = ((s > effect / 2).astype(float) for s in (a, b))
    # Unit variance, cut in the middle: both rates are Phi(effect / 2).
    rate, area = norm.cdf(effect / 2), norm.cdf(effect / 2**0.5)
    truth = {"sensitivity": rate, "specificity": rate, "accuracy": rate, "balanced_accuracy": rate}
    covered = [_holds(statistics.auc_ci(y, a), area)]
    gaps = {}
    drawn = statistics.distributions(y, [a, b], "auc", seed=seed)
    covered.append(_holds(np.percentile(drawn[0], [2.5, 97.5]), area))
    gaps["auc"] = drawn[0] - drawn[1]
    for metric, value in truth.items():
        drawn = statistics.distributions(y, [call_a, call_b], metric, seed=seed)
        covered.append(_holds(np.percentile(drawn[0], [2.5, 97.5]), value))
        gaps[metric] = drawn[0] - drawn[1]
    covered.append(_holds(statistics.exact_interval(*rates.shares(y, call_a)["sensitivity"]), rate))
    from nodestage.statistics.bootstrap import _paired, _wilcoxon

    return covered + [
        statistics.delong_test(y, a, b).p < 0.05,
        _paired(0.0, gaps["auc"]).p_value < 0.05,
        _paired(0.0, gaps["balanced_accuracy"]).p_value < 0.05,
        statistics.mcnemar(y, call_a, call_b) < 0.05,
        _wilcoxon(gaps["balanced_accuracy"]) < 0.05,
    ]


def _holds(interval, value):
    return interval[0] <= value <= interval[1]


def speed():
    """Ratios in one run: DeLong against a plain kernel, bootstrap against scikit-learn."""
    from sklearn import metrics as sk

    random = np.random.default_rng(0)
    n, positives, methods, resamples = 749, 351, 10, 1000
    y = np.repeat([1, 0], [positives, n - positives])
    scores = random.normal(size=(methods, n)) + 0.5 * y
    calls = (scores > 0.25).astype(int)
    print("\n## Speed, n = 749\n\n| task | seconds |\n| --- | --- |")

    statistics.delong_test(y, scores[0], scores[1])
    ours = _seconds(lambda: statistics.delong_test(y, scores[0], scores[1]), 200)
    plain = _seconds(lambda: _plain_delong(y, scores[0], scores[1]), 5)
    print(
        f"| DeLong's test, ours | {ours:.5f} |\n| DeLong's test, kernel by loops over positives | {plain:.4f} |"
    )
    print(f"| ratio | {plain / ours:.0f} |")

    names = ("sensitivity", "specificity", "accuracy", "balanced_accuracy", "auc")

    def fast():
        # A new seed each time, so that nothing is kept from the round before.
        seed = int(random.integers(1 << 30))
        for metric in names:
            statistics.distributions(
                y, scores if metric == "auc" else calls, metric, resamples, seed
            )

    fast()
    ours = _seconds(fast, 5)
    few = 20
    drawn = [
        np.concatenate(
            [random.integers(0, positives, positives), random.integers(positives, n, n - positives)]
        )
        for _ in range(few)
    ]

    def slow():
        for i in drawn:
            for m in range(methods):
                sk.recall_score(y[i], calls[m][i])
                sk.recall_score(y[i], calls[m][i], pos_label=0)
                sk.accuracy_score(y[i], calls[m][i])
                sk.balanced_accuracy_score(y[i], calls[m][i])
                sk.roc_auc_score(y[i], scores[m][i])

    loop = _seconds(slow, 1) * resamples / few
    print(
        f"| {resamples} bootstraps x 5 metrics x {methods} methods, ours (mean of 5) | {ours:.3f} |"
    )
    print(f"| the same in a loop over scikit-learn (from {few} resamples) | {loop:.1f} |")
    print(f"| ratio | {loop / ours:.0f} |")


def _plain_delong(y, a, b):
    areas, parts = [], []
    for score in (a, b):
        x, z = score[y == 1], score[y == 0]
        kernel = np.array([[1.0 if p > q else 0.5 if p == q else 0.0 for q in z] for p in x])
        areas.append(kernel.mean())
        parts.append((kernel.mean(1), kernel.mean(0)))
    variance = (parts[0][0] - parts[1][0]).var(ddof=1) / len(x)
    variance += (parts[0][1] - parts[1][1]).var(ddof=1) / len(z)
    return (areas[0] - areas[1]) / np.sqrt(variance)


def _seconds(task, times):
    start = time.perf_counter()
    for _ in range(times):
        task()
    return (time.perf_counter() - start) / times


TASKS = {
    "proc": proc,
    "table_vii": table_vii,
    "table_vi": table_vi,
    "speed": speed,
    "coverage": coverage,
}

if __name__ == "__main__":
    for wish in sys.argv[1:] or list(TASKS):
        name, _, number = wish.partition("=")
        TASKS[name](*([int(number)] if number else []))
