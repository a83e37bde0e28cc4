"""The results of a run in a few lines on the terminal: `python -m nodestage.report.summary results`."""

import argparse
from pathlib import Path

from nodestage.core import learning, tables
from nodestage.report import headline, numbers
from nodestage.report.sources import load
from nodestage.statistics import vocabulary

METRICS = ("auc", "balanced_accuracy")
BASIS = "basis"


def rows(results):
    """One row per method and center: n, positives, AUC and balanced accuracy with intervals.

    The estimates are those at the top of the reports (`headline.BASES`): of an external center the
    ensemble's, of the discovery center the mean of the folds. `basis` names which.
    """
    table_rows = []
    for path in sorted(Path(results).glob("statistics/*/performance.tsv")):
        table = load(path.parent, path.name)
        role = "external" if table.where(basis=headline.BASES["external"]) else "discovery"
        for method in vocabulary.ordered("methods", table.values("method")):
            cells = {m: headline.primary_row(table, method, m, role) for m in METRICS}
            first = next(filter(None, cells.values()), None)
            if first is None:
                continue
            table_rows.append(
                {"center": path.parent.name, "method": method}
                | {key: numbers.show_count(first[key]).striptags() for key in ("n", "positives")}
                | {metric: _shown(row) for metric, row in cells.items() if row is not None}
                | {BASIS: vocabulary.name("bases", first.text("basis"))}
            )
    return table_rows


def show(results):
    """Print the table of a study's results folder on the terminal."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table_rows = rows(results)
    if table_rows:
        console.print("Lymph-node metastasis, with 95 % intervals\n")
    for center, basis in dict.fromkeys((row["center"], row[BASIS]) for row in table_rows):
        table = Table(title=f"{center}: {basis}", title_justify="left", box=None, pad_edge=False)
        for column in ("method", "n", "positive", "AUC", "balanced accuracy"):
            table.add_column(column, no_wrap=True)
        for row in table_rows:
            if (row["center"], row[BASIS]) == (center, basis):
                keys = ("method", "n", "positives", *METRICS)
                table.add_row(*(row.get(key, "") for key in keys))
        console.print(table)
        console.print()
    for sentence in unlearned(results):
        console.print(f"Warning: {sentence}\n", markup=False)
    study = Path(results, "report", "study.html")
    if study.is_file():
        console.print(f"Reports: {study} and one for each center beside it.", markup=False)
    elif any(study.parent.glob("*.html")):
        console.print(f"Reports: one for each center in {study.parent}.", markup=False)
    else:
        console.print("No report was made yet.")
    for file in sorted(Path(results, "returned").glob("*.tsv")):
        console.print(f"To send back, once you have read it: {file}", markup=False)


def unlearned(results):
    """Sentences about networks that have not fitted their own training data."""
    table = Path(results, "statistics/evaluation/learning.tsv")
    return learning.sentences(tables.read(table)) if table.is_file() else []


def _shown(row):
    """`0.61 (0.50–0.70)`, rounded and worded as on a page."""
    digits = numbers.digits_for(row["n"].number)
    ends = numbers.interval(row, digits=digits).striptags()
    # The terminal's library would read brackets as markup.
    ends = ends.replace("[", "(").replace("]", ")")
    return " ".join(filter(None, [numbers.fixed(row["estimate"].number, digits), ends]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", help="the study's results folder")
    show(parser.parse_args().results)
