"""How often the headline of an external center is right, by simulation.

    python benchmarks/verdicts.py                   2,000 cohorts a line, under a minute
    python benchmarks/verdicts.py --cohorts 200

A discovery center of 351 positive and 398 negative patients has a true balanced accuracy of 0.70,
an external center another one; sensitivity and specificity are equal. Intervals are percentiles of
1,000 resamples within each class, as the tables have them, and the words those of
`nodestage.report.headline`. Tables go to stdout as Markdown.
"""

import argparse
from collections import Counter

import numpy as np

from nodestage.report import headline
from nodestage.report.records import Center
from nodestage.report.sources import Cell, Row, Rows
from nodestage.statistics import comparisons

DISCOVERY, TRUTH = (351, 398), 0.70
CENTERS = ((37, 22), (39, 93), (100, 100))
TRUTHS = (0.70, 0.65, 0.60, 0.50)
MARGINS = (None, 0.1)
VERDICTS = ("held", "better", "part", "open", "failed")


def performance(random, sizes, truth, basis, resamples=1000):
    """Rows of performance.tsv of one simulated cohort: the declared endpoint alone."""
    shares = [random.binomial(n, truth) / n for n in sizes]
    drawn = (
        sum(random.binomial(n, s, resamples) / n for n, s in zip(sizes, shares, strict=True)) / 2
    )
    low, high = np.percentile(drawn, [2.5, 97.5])
    values = {
        "method": "combined",
        "metric": "balanced_accuracy",
        "basis": basis,
        "estimate": sum(shares) / 2,
        "low": low,
        "high": high,
        "n": sum(sizes),
        "positives": sizes[0],
    }
    cells = {key: Cell(str(value), "", 1, key) for key, value in values.items()}
    return Rows([Row(cells)], "performance.tsv", list(values))


def line(sizes, truth, cohorts, seed=0):
    """Cells of one line of the table: coverage of the difference, and the share of each verdict."""
    random, covered = np.random.default_rng(seed), 0
    verdicts = {margin: Counter() for margin in MARGINS}
    center = Center("x", "external", None)
    for _ in range(cohorts):
        home = performance(random, DISCOVERY, TRUTH, "fold_mean")
        here = performance(random, sizes, truth, "ensemble")
        gap = headline.difference(here[0], home[0])
        covered += gap is not None and gap.low <= truth - TRUTH <= gap.high
        for margin, count in verdicts.items():
            primary = comparisons.endpoint({"margin": margin})
            count[headline.headline(center, here, primary, home).verdict] += 1
    shares = [f"{verdicts[m][verdict] / cohorts:.2f}" for m, verdict in COLUMNS]
    return [f"{sizes[0]} + {sizes[1]}", f"{truth:.2f}", f"{covered / cohorts:.3f}", *shares]


COLUMNS = [(None, verdict) for verdict in VERDICTS[1:]] + [(0.1, "held"), (0.1, "better")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cohorts", type=int, default=2000)
    cohorts = parser.parse_args().cohorts
    heads = [f"{verdict}{'' if m is None else f', margin {m}'}" for m, verdict in COLUMNS]
    heads = ["positive + negative", "truth", "difference covered", *heads]
    print(f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    for sizes in CENTERS:
        for truth in TRUTHS:
            print(f"| {' | '.join(line(sizes, truth, cohorts))} |")


if __name__ == "__main__":
    main()
