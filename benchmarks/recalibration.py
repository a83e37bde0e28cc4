"""From how many patients on recalibration at a new center helps.

    python benchmarks/recalibration.py [--cohorts 500]

A frozen model gives each patient a probability whose logit is normal in either class (AUC 0.75 if it
were calibrated). At the new center the true logit is `shift + slope * logit`. Cohorts of n patients are
drawn there; intercept, or intercept and slope, are fitted as `statistics.recalibration` does, and the
loss to expect in further patients of that center is computed on a grid. Printed: the mean difference of
the logarithmic loss, recalibrated minus frozen, times 1000 (below 0 is a gain), and how many cohorts
in a hundred do worse than the frozen model.
"""

import argparse

import numpy as np

from nodestage.statistics import recalibration, sample_size

SIZES = (20, 30, 50, 75, 100, 150, 200, 300, 500)
CENTERS = {
    "calibrated": (0.0, 1.0),
    "shift 0.3": (0.3, 1.0),
    "shift 0.5": (0.5, 1.0),
    "shift 1": (1.0, 1.0),
    "slope 0.7": (0.0, 0.7),
    "slope 0.5": (0.0, 0.5),
    "shift 0.5, slope 0.7": (0.5, 0.7),
    "shift 1, slope 0.5": (1.0, 0.5),
}


def expected_loss(values, weights, truth, intercept, slope):
    """Logarithmic loss to expect in further patients, their true risk given."""
    logit = intercept + slope * values
    return float(np.sum(weights * (np.logaddexp(0, logit) - truth * logit)))


def of_center(prevalence, auc, line, cohorts, random):
    """{kind: {n: (mean difference of the loss, share of worse cohorts)}}."""
    expected = sample_size.Expected(prevalence, auc=auc)
    values, weights = sample_size.linear_predictor(expected)
    truth = 1 / (1 + np.exp(-(line[0] + line[1] * values)))
    frozen = expected_loss(values, weights, truth, 0, 1)
    found = {kind: {} for kind in recalibration.KINDS[1:]}
    for n in SIZES:
        gaps = {kind: [] for kind in found}
        while len(gaps["intercept"]) < cohorts:
            drawn = random.choice(len(values), n, p=weights)
            y = random.random(n) < truth[drawn]
            if min(y.sum(), (~y).sum()) < recalibration.FOLDS:
                continue  # a center without five patients of each class is not recalibrated
            for kind in found:
                fitted = recalibration.fit(y, values[drawn], kind)
                gaps[kind].append(expected_loss(values, weights, truth, *fitted) - frozen)
        for kind, gap in gaps.items():
            found[kind][n] = (float(np.mean(gap)), float(np.mean(np.array(gap) > 0)))
    return found


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cohorts", type=int, default=500)
    parser.add_argument("--prevalence", type=float, default=0.45)
    parser.add_argument("--auc", type=float, default=0.75)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    found = {
        name: of_center(options.prevalence, options.auc, line, options.cohorts, random)
        for name, line in CENTERS.items()
    }
    for kind in recalibration.KINDS[1:]:
        print(f"\n{kind}\n| center | " + " | ".join(map(str, SIZES)) + " |")
        print("| --- " * (len(SIZES) + 1) + "|")
        for name, kinds in found.items():
            cells = (
                f"{1000 * mean:.0f} · {100 * worse:.0f}" for mean, worse in kinds[kind].values()
            )
            print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
