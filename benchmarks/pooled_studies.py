"""Methods of several finished simulated studies, together: AUC and paired differences with intervals.

    python benchmarks/pooled_studies.py scores larger6 larger6.tsv
    python benchmarks/pooled_studies.py auc larger6.tsv larger7.tsv
    python benchmarks/pooled_studies.py differences larger6.tsv larger7.tsv --method combined_candidates \
        --against tumor_net nodes_candidates
    python benchmarks/pooled_studies.py differences larger6.tsv larger7.tsv --method mean \
        --mean node_graph node_order radiomics

`scores` writes one row per scored patient of a study's folder: status, fold (discovery) or none, the
oracles' and every method's score, without a patient's code. The other two read such tables. Scores of
different models are not on one scale, so patients are compared within their fold or center alone: every
value is a mean over folds in the discovery center, over centers outside, over both in the last column,
with DeLong's interval. `--mean` adds a method `mean`: the mean of the standardized log odds of the methods
that it names, within each fold or center.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np
from scipy import special, stats

from nodestage import statistics
from nodestage.core import tables

ORACLES = ("tumor", "nodes", "both")
KEYS = ("center", "fold", "metastasis", *(f"oracle_{name}" for name in ORACLES))


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("scores", help="write the scores of a finished study")
    one.add_argument("study", type=Path, help="its folder")
    one.add_argument("table", type=Path, help="the table to write")
    for name in ("auc", "differences"):
        several = commands.add_parser(name, help=f"print the {name} of studies, pooled")
        several.add_argument("tables", nargs="+", type=Path, help="what `scores` wrote")
        several.add_argument("--mean", nargs="+", help="methods whose mean is added as a method")
        if name == "differences":
            several.add_argument("--method", default="combined")
            several.add_argument("--against", nargs="+", help="other methods; all by default")
    options = parser.parse_args(arguments)
    if options.command == "scores":
        write(options.table, scores(options.study / "results"))
        return
    rows = [row for path in options.tables for row in read(path)]
    if options.mean:
        add_mean(rows, options.mean)
    methods = list(dict.fromkeys(key for row in rows for key in row))
    methods = [key for key in methods if key not in KEYS and key != "study"]
    methods += [f"oracle_{name}" for name in ORACLES]
    if options.command == "auc":
        header("method")
        for method in methods:
            print(f"| {method} | " + " | ".join(auc(part, method) for part in parts(rows)) + " |")
        return
    header(f"{options.method} minus")
    for other in options.against or methods:
        if other != options.method:
            cells = [difference(part, options.method, other) for part in parts(rows)]
            print(f"| {other} | " + " | ".join(cells) + " |")


def scores(results):
    """Rows of every patient with a status whom some method scored, in `KEYS` and one column per method."""
    external = {path.stem for path in results.glob("predictions/*/ensemble/*.tsv")}
    found = {}
    for path in sorted(results.glob("predictions/*/*/*.tsv")):
        method, part, center = path.parts[-3], path.parts[-2], path.stem
        if (part == "ensemble") != (center in external):
            continue  # a single fold's scores of an external center
        fold = "" if center in external else part
        for row in tables.read(path):
            if row["score"] and (row["subset"] == "test" or not fold):
                key = center, row["patient"]
                scored = found.setdefault(key, {"center": center, "fold": fold})
                scored[method] = float(row["score"])
    for (_, patient), row in found.items():
        truth = json.loads((results / "simulator/truth" / patient / "truth.json").read_text())
        row["metastasis"] = int(truth["positive"])
        row |= {f"oracle_{name}": truth["oracle"][name] for name in ORACLES}
    return [row for _, row in sorted(found.items())]


def write(path, rows):
    """A table with one column per method; six significant digits keep the ranks."""
    methods = sorted({key for row in rows for key in row} - set(KEYS))
    columns = [*KEYS, *methods]
    with open(path, "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_text(row.get(c, "")) for c in columns] for row in rows)


def read(path):
    """Rows of such a table, each value as text, with the name of the study."""
    with open(path, newline="", encoding="utf-8") as handle:
        return [row | {"study": str(path)} for row in csv.DictReader(handle, delimiter="\t")]


def _text(value):
    return f"{value:.6g}" if isinstance(value, float) else value


def header(first):
    print(f"| {first} | discovery | outside | all |\n| --- | --- | --- | --- |")


def parts(rows):
    """Rows of the discovery centers, of the others, and all."""
    return [r for r in rows if r["fold"]], [r for r in rows if not r["fold"]], rows


def arrays(rows, *methods):
    """(status, scores of each method, stratum) of the patients whom all of the methods scored."""
    kept = [row for row in rows if all(row.get(m) not in (None, "") for m in methods)]
    y = np.array([int(row["metastasis"]) for row in kept])
    values = [np.array([float(row[m]) for row in kept]) for m in methods]
    strata = np.array([f"{row['study']} {row['center']} {row['fold']}" for row in kept])
    return y, values, strata


def add_mean(rows, methods):
    """Give every patient whom all methods scored, as probabilities, their `mean`; see the module."""
    kept = [row for row in rows if all(row.get(m) not in (None, "") for m in methods)]
    _, values, strata = arrays(kept, *methods)
    odds = special.logit(np.clip(values, 1e-6, 1 - 1e-6))
    for stratum in np.unique(strata):
        of = strata == stratum
        means = stats.zscore(odds[:, of], axis=1).mean(axis=0)
        for i, value in zip(np.flatnonzero(of), means, strict=True):
            kept[i]["mean"] = value


def auc(rows, method):
    y, (score,), strata = arrays(rows, method)
    if not len(y):
        return "–"
    try:
        low, high = statistics.auc_ci(y, score, strata=strata)
        values = [statistics.auc(y[strata == s], score[strata == s]) for s in np.unique(strata)]
    except statistics.UndefinedError:
        return "undefined"
    return f"{np.mean(values):.2f} [{low:.2f}, {high:.2f}]"


def difference(rows, method, other):
    """`+0.05 [0.01, 0.09], p 0.02` by DeLong's paired test within the strata."""
    y, (a, b), strata = arrays(rows, method, other)
    if not len(y):
        return "–"
    try:
        test = statistics.delong_test(y, a, b, strata=strata)
    except statistics.UndefinedError:
        return "undefined"
    low, high = statistics.difference_ci(y, a, b, strata=strata)
    return f"{test.auc_a - test.auc_b:+.3f} [{low:+.3f}, {high:+.3f}], p {test.p_value:.2g}"


if __name__ == "__main__":
    main(sys.argv[1:])
