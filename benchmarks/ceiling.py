"""What the paper's rule (largest positive volume) can reach at most, by recall and false positives.

    python benchmarks/ceiling.py [--settings config/simulator.yaml config/realistic.yaml]
    python benchmarks/ceiling.py --cases 0.66:7.8 0.60:1.0 --identification 0.83

By Monte Carlo over the laws of the simulator (`nodestage.simulator.ceiling`), without an image.
Identification calls nodes of both classes right with `--identification`, and false positives
positive with `--called`: half of them, since it never learned from one. 0.9 is what nodes of the
default study allow; with a smaller `node_effect` the ideal reader's column is the ceiling.
"""

import argparse

import yaml

from nodestage.simulator import ceiling

CASES = ["1:0", "1:3", "0.8:1", "0.8:6", "0.55:11"]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = options.add_argument
    add("--settings", nargs="+", default=["config/simulator.yaml"], help="merged in this order")
    add("--cases", nargs="+", default=CASES, help="recall:false positives per patient")
    add("--identification", type=float, default=0.9, help="sensitivity and specificity")
    add("--called", type=float, default=0.5, help="share of false positives called positive")
    add("--patients", type=int, default=20_000, help="of each class")
    add("--seed", type=int, default=0)
    options = options.parse_args()
    settings = {}
    for path in options.settings:
        with open(path, encoding="utf-8") as file:
            settings |= yaml.safe_load(file)["simulator"]
    print("| recall | false positives per patient | AUC, ideal reader | AUC, identification |")
    print("| --- | --- | --- | --- |")
    for recall, alarms in ([float(n) for n in case.split(":")] for case in options.cases):
        ideal, network = (
            ceiling.auc(settings, detector, options.patients, options.seed)
            for detector in (
                ceiling.Detector(recall, alarms),
                ceiling.Detector(
                    recall, alarms, options.called, options.identification, options.identification
                ),
            )
        )
        print(f"| {recall:.2f} | {alarms:g} | {ideal:.2f} | {network:.2f} |")


if __name__ == "__main__":
    main()
