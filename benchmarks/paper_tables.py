"""Which printed interval ends of the paper's Tables VI and VII our procedure can print.

    python benchmarks/paper_tables.py FOLDER [--seeds 200]

FOLDER holds `table_VI.csv` and `table_VII.csv`: one row per method, for each of `balacc, auc, acc,
sens, spec` the value and its `_lo` and `_hi`, in Table VII with a column `dataset`. The paper's seed
is unknown, so an end counts as reproduced when it lies between the smallest and the largest that
`nodestage.statistics` prints over the seeds, rounded as printed. Tables go to stdout as Markdown.
"""

import argparse
import csv
import itertools
from pathlib import Path

import numpy as np

from nodestage import statistics
from nodestage.statistics import bootstrap

CENTERS = {"ext1": (39, 93), "ext2": (37, 22)}  # positives and negatives, Table I
DISCOVERY = (351, 398)
SHORT = {
    "sensitivity": "sens",
    "specificity": "spec",
    "accuracy": "acc",
    "balanced_accuracy": "balacc",
}
ROUNDING = 0.0005001


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def counts_of(row, positives, negatives):
    """(positives, negatives, true positives, true negatives) that round to the printed values.

    Those of the largest number of patients: some methods were scored on fewer than the center
    has. Returns (counts or None, number of ways at that number of patients).
    """
    printed = {metric: float(row[short]) for metric, short in SHORT.items()}
    best, ways = None, 0
    sizes = itertools.product(range(positives, 0, -1), range(negatives, 0, -1))
    for p, q in sorted(sizes, key=lambda s: -sum(s)):
        if best and p + q < sum(best[:2]):
            break
        for k in _fits(p, printed["sensitivity"]):
            for m in _fits(q, printed["specificity"]):
                values = {"accuracy": (k + m) / (p + q), "balanced_accuracy": (k / p + m / q) / 2}
                if all(abs(value - printed[name]) < ROUNDING for name, value in values.items()):
                    best, ways = best or (p, q, k, m), ways + 1
    return best, ways


def _fits(size, value):
    return [k for k in range(size + 1) if abs(k / size - value) < ROUNDING]


def ranges(positives, negatives, wanted, seeds):
    """Smallest and largest interval ends over the seeds, to three decimals.

    Parameters
    ----------
    wanted : {key: (metric, [(true positives, true negatives), ...])}; all share their resamples

    Returns
    -------
    {key: (smallest, largest)}, arrays (ways, 2)
    """
    y = np.repeat([1, 0], [positives, negatives])
    calls = {
        key: [
            np.concatenate([np.arange(positives) < k, np.arange(negatives) >= m]).astype(float)
            for k, m in ways
        ]
        for key, (_, ways) in wanted.items()
    }
    found = dict.fromkeys(wanted, (np.inf, -np.inf))
    for seed in range(seeds):
        for key, (metric, _) in wanted.items():
            drawn = statistics.distributions(y, calls[key], metric, seed=seed)
            ends = np.percentile(drawn, [2.5, 97.5], axis=1).T.round(3)
            least, most = found[key]
            found[key] = np.minimum(least, ends), np.maximum(most, ends)
    return found


def printed_ends(row, metric):
    return np.array([float(row[f"{SHORT[metric]}_{end}"]) for end in ("lo", "hi")])


def holds(least, most, ends):
    return (least - 1e-9 <= ends) & (ends <= most + 1e-9)


def outside(row, drawn):
    """Printed ends of a row outside `drawn` = {metric: (smallest, largest)}, in words."""
    found = []
    for metric, (least, most) in drawn.items():
        ends = printed_ends(row, metric)
        for i in np.flatnonzero(~holds(least[0], most[0], ends)):
            name = f"{metric.replace('_', ' ')} {('low', 'high')[i]}"
            found.append(f"{name} {ends[i]:.3f} ({least[0, i]:.3f} to {most[0, i]:.3f})")
    return found


def table_vii(folder, seeds):
    print(f"\n**Table VII**, ends within those of {seeds} seeds\n")
    print("| center | method | n | TP of P, TN of N | ends inside | outside |")
    print("| --- | --- | --- | --- | --- | --- |")
    total = 0
    found = {}
    for row in rows_of(folder / "table_VII.csv"):
        counts, ways = counts_of(row, *CENTERS[row["dataset"]])
        if counts is None:
            print(f"| {row['dataset']} | {row['method']} | – | no counts fit | 0 of 8 | all |")
            continue
        found[row["dataset"], row["method"]] = counts
        p, q, k, m = counts
        drawn = ranges(p, q, {metric: (metric, [(k, m)]) for metric in SHORT}, seeds)
        wrong = outside(row, drawn)
        total += 8 - len(wrong)
        several = f" ({ways} ways)" if ways > 1 else ""
        print(
            f"| {row['dataset']} | {row['method']} | {p + q} | {k} of {p}, {m} of {q}{several} "
            f"| {8 - len(wrong)} of 8 | {'; '.join(wrong)} |"
        )
    print(f"\n{total} of {8 * len(found)} ends.")
    marks(found, rows_of(folder / "table_VII.csv"), seeds)
    areas(rows_of(folder / "table_VII.csv"), found)


def marks(found, rows, seeds):
    """Shares of seeds in which the paper's test marks a method, both resampled on their own."""
    print("\nThe mark * (Wilcoxon on 1,000 bootstrap values, each method resampled on its own):\n")
    print("| center | method | gap to ours | p < 0.05 in |\n| --- | --- | --- | --- |")
    for row in rows:
        key = (row["dataset"], row["method"])
        if row["sig"] == "ref" or key not in found:
            continue
        ours = next(r for r in rows if r["dataset"] == row["dataset"] and r["sig"] == "ref")
        hits = 0
        for seed in range(seeds):
            values = [
                _drawn(found[row["dataset"], r["method"]], 2 * seed + i)
                for i, r in enumerate((row, ours))
            ]
            hits += bootstrap.wilcoxon_from(values[1] - values[0]) < 0.05
        gap = float(ours["balacc"]) - float(row["balacc"])
        print(f"| {row['dataset']} | {row['method']} | {gap:.3f} | {hits / seeds:.0%} |")


def _drawn(counts, seed):
    p, q, k, m = counts
    y = np.repeat([1, 0], [p, q])
    call = np.concatenate([np.arange(p) < k, np.arange(q) >= m]).astype(float)
    return statistics.distributions(y, [call], "balanced_accuracy", seed=seed)[0]


def areas(rows, found):
    """AUC intervals can't be drawn without scores; their width can be held against theory."""
    print("\nWidth of the AUC's interval over that of Hanley and McNeil (1982):\n")
    print("| center | method | AUC | center of its interval | ratio of widths |")
    print("| --- | --- | --- | --- | --- |")
    for row in rows:
        if not row["auc"]:
            continue
        dataset = row.get("dataset", "discovery")
        p, q = found.get((dataset, row["method"]), DISCOVERY)[:2]
        area, low, high = (float(row[f"auc{end}"]) for end in ("", "_lo", "_hi"))
        middle = (low + high) / 2
        q1, q2 = middle / (2 - middle), 2 * middle**2 / (1 + middle)
        variance = middle * (1 - middle) + (p - 1) * (q1 - middle**2) + (q - 1) * (q2 - middle**2)
        ratio = (high - low) / (2 * 1.96 * (variance / (p * q)) ** 0.5)
        print(f"| {dataset} | {row['method']} | {area:.3f} | {middle:.3f} | {ratio:.2f} |")


def table_vi(folder, seeds):
    """Ends at the printed rates, and the pooled counts from which all eight follow.

    With folds of equal class shares a fold mean is the pooled share, and accuracy is their mean
    weighted by 351 and 398. Where printed values break that, folds were not alike, and the
    interval, which is that of the pooled calls, lies around other rates than those printed.
    """
    p, q = DISCOVERY
    print(f"\n**Table VI**, ends within those of {seeds} seeds\n")
    print(
        "| method | sensitivity, specificity, accuracy printed | accuracy that follows | ends inside "
        "at the printed rates | pooled counts from which all eight follow | their sensitivity, "
        "specificity, accuracy |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    rows = rows_of(folder / "table_VI.csv")
    nearest = {
        (row["method"], metric): (
            metric,
            [(round(float(row["sens"]) * p), round(float(row["spec"]) * q))],
        )
        for row in rows
        for metric in SHORT
    }
    drawn = ranges(p, q, nearest, seeds)
    possible = pooled_counts(rows, seeds)
    at_printed = followed = 0
    for row in rows:
        s, t, a = (float(row[name]) for name in ("sens", "spec", "acc"))
        wrong = outside(row, {metric: drawn[row["method"], metric] for metric in SHORT})
        at_printed += 8 - len(wrong)
        ways = possible[row["method"]]
        followed += 8 * bool(ways)
        words, rates = "none", "–"
        if ways:
            # The way nearest to the printed accuracy stands for the others.
            k, m = min(ways, key=lambda way: abs(sum(way) / (p + q) - a))
            words = f"{len(ways)}, for one {k} of {p}, {m} of {q}"
            rates = f"{k / p:.3f}, {m / q:.3f}, {(k + m) / (p + q):.3f}"
        print(
            f"| {row['method']} | {s:.3f}, {t:.3f}, {a:.3f} | {(p * s + q * t) / (p + q):.3f} "
            f"| {8 - len(wrong)} of 8 | {words} | {rates} |"
        )
    total = 8 * len(rows)
    print(f"\n{at_printed} of {total} at the printed rates, {followed} of {total} at some counts.")
    areas(rows, {})


def pooled_counts(rows, seeds):
    """{method: all (true positives, true negatives) from which its eight printed ends follow}."""
    p, q = DISCOVERY
    near, sizes = {}, {"sensitivity": p, "specificity": q}
    for row, (metric, size) in itertools.product(rows, sizes.items()):
        middle = printed_ends(row, metric).mean()
        around = range(round((middle - 0.02) * size), round((middle + 0.02) * size) + 1)
        ways = [(k, 0) if metric == "sensitivity" else (0, k) for k in around]
        near[row["method"], metric] = (metric, ways)
    drawn = ranges(p, q, near, seeds)
    pairs = {}
    for row in rows:
        kept = []
        for place, metric in enumerate(sizes):
            key = row["method"], metric
            inside = holds(*drawn[key], printed_ends(row, metric)).all(1)
            ways = zip(near[key][1], inside, strict=True)
            kept.append([way[place] for way, yes in ways if yes])
        for metric in ("accuracy", "balanced_accuracy"):
            pairs[row["method"], metric] = (metric, list(itertools.product(*kept)))
    some = {key: wish for key, wish in pairs.items() if wish[1]}
    drawn = ranges(p, q, some, seeds)
    found = {}
    for row in rows:
        keys = [(row["method"], metric) for metric in ("accuracy", "balanced_accuracy")]
        ways = pairs[keys[0]][1]
        for key in keys:
            if ways:
                inside = holds(*drawn[key], printed_ends(row, key[1])).all(1)
                good = {w for w, yes in zip(pairs[key][1], inside, strict=True) if yes}
                ways = [way for way in ways if way in good]
        found[row["method"]] = ways
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=200)
    given = parser.parse_args()
    table_vii(given.folder, given.seeds)
    table_vi(given.folder, given.seeds)
