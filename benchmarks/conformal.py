"""Coverage of conformal sets made on validation parts, for one fold and for five together.

    python benchmarks/conformal.py [--studies 1000]

Each study has five folds. A patient's score in a fold is one signal that the folds share and noise of
the fold's own; the AUC of one fold is about 0.75. Validation parts are drawn anew in each study, and each
study meets patients of the same kind (`the same`), with the classes in other proportions (`prevalence`),
with scores that lie higher (`shifted`), and with a weaker signal (`weaker`). Printed, as means over
the studies and in percent: how often the set holds the true status, over all and in either class, how
many patients are decided, and how many of those rightly.
"""

import argparse

import numpy as np

from nodestage.core import conformal, predictions

FOLDS, PATIENTS, SIGNAL = 5, 60, 0.95
CENTERS = {
    "the same": {},
    "prevalence": {"prevalence": 0.2},
    "shifted": {"shift": 0.7},
    "weaker": {"signal": 0.4},
}


def draw(random, n, prevalence=0.45, signal=SIGNAL, shift=0.0):
    """(labels (n,), scores (FOLDS, n)) of n patients with a patient of each class at least."""
    y = (random.random(n) < prevalence).astype(int)
    y[:2] = 0, 1
    shared = random.normal(signal * (y - 0.5), 0.8) + shift
    return y, shared + random.normal(0, 0.6, (FOLDS, n))


def study(random, size, by_class, coverage):
    """{(center, kind): (covered, of positives, of negatives, decided, right)}, kind `fold` or `all`."""
    frozen = []
    for fold in range(FOLDS):
        y, scores = draw(random, size)
        line = predictions.calibrate(y, scores[fold])
        p = [predictions.calibrated(float(s), line) for s in scores[fold]]
        frozen.append((line, conformal.frozen(y, p)))
    found = {}
    for name, change in CENTERS.items():
        y, scores = draw(random, PATIENTS, **change)
        folds = [
            [predictions.calibrated(float(s), line) for s in of_fold]
            for (line, _), of_fold in zip(frozen, scores, strict=True)
        ]
        records = [record for _, record in frozen]
        for kind, k in (("fold", 1), ("all", FOLDS)):
            p = conformal.p_values(records[:k], folds[:k], by_class)
            held = conformal.sets(p, coverage)
            true, decided = held[np.arange(len(y)), y], held.sum(1) == 1
            right = true[decided].mean() if decided.any() else np.nan
            found[name, kind] = (
                true.mean(), true[y == 1].mean(), true[y == 0].mean(), decided.mean(), right
            )  # fmt: skip
    return found


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=1000)
    options = parser.parse_args()
    print(
        "| V | coverage | by class | center | of | covered | positive | negative | decided | right |"
    )
    print("| --- " * 10 + "|")
    for size in (12, 30, 100):
        for coverage, by_class in ((0.8, True), (0.9, True), (0.9, False)):
            random = np.random.default_rng(size)
            studies = [study(random, size, by_class, coverage) for _ in range(options.studies)]
            for name, kind in studies[0]:
                if kind == "fold" and name != "the same":
                    continue
                values = np.nanmean([found[name, kind] for found in studies], axis=0)
                cells = " | ".join(f"{100 * value:.0f}" for value in values)
                yes = "yes" if by_class else "no"
                print(f"| {size} | {coverage} | {yes} | {name} | {kind} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
