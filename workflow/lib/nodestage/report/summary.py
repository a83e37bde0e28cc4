"""What a run found, in a few lines on the terminal: `python -m nodestage.report.summary results`."""

import argparse
from pathlib import Path

from nodestage import tables

METRICS = ("auc", "balanced_accuracy")
BASES = ("ensemble", "pooled")


def rows(results):
    """One row a method and center: n, positives, AUC and balanced accuracy with intervals.

    External centers are judged by the ensemble, the discovery center by its pooled test folds.
    """
    found = {}
    for path in sorted(Path(results).glob("statistics/*/performance.tsv")):
        table = tables.read(path)
        basis = next(b for b in BASES if any(row["basis"] == b for row in table))
        for row in table:
            if row["basis"] == basis and row["metric"] in METRICS:
                entry = found.setdefault((path.parent.name, row["method"]), {"n": row["n"]})
                entry["positives"] = row["positives"]
                entry[row["metric"]] = _interval(row)
    return [{"center": c, "method": m} | entry for (c, m), entry in found.items()]


def show(results):
    """Print the table of a study's results folder on the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Lymph-node metastasis, 95 % intervals")
    for column in ("center", "method", "n", "positives", "AUC", "balanced\naccuracy"):
        table.add_column(column, no_wrap=column in ("center", "method"))
    for row in rows(results):
        keys = ("center", "method", "n", "positives", *METRICS)
        table.add_row(*(str(row.get(key, "")) for key in keys))
    console = Console()
    console.print(table)
    study = Path(results, "report", "study.html")
    console.print(
        f"Reports: {study} and one for each center beside it."
        if study.is_file()
        else f"Reports: one for each center in {study.parent}."
    )
    for file in sorted(Path(results, "returned").glob("*.tsv")):
        console.print(f"To send back, once you have read it: {file}")


def _interval(row):
    if row["estimate"] == "":
        return "undefined"
    numbers = [tables.number(row[key]) for key in ("estimate", "low", "high")]
    low, high = (f"{value:.2f}" if value == value else "?" for value in numbers[1:])
    return f"{numbers[0]:.2f} ({low}–{high})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", help="the study's results folder")
    show(parser.parse_args().results)
