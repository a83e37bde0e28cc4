"""Blocks of a center's page on its readers: alone, with the model's help, and beside the model."""

from markupsafe import Markup

from nodestage.report import blocks, numbers
from nodestage.statistics import vocabulary

AVERAGE = "average"


def block(performance, comparisons, method):
    """Readers of a center; None where the sheet has none.

    Parameters
    ----------
    performance, comparisons : sources.Rows of readers.tsv and reader_comparisons.tsv
    method : the declared method, which the readers are compared with

    Returns
    -------
    {method, performance, average, single, alone}: a block of each reader for `method_table`, tables of the
    differences averaged over readers and of each reader (None without rows), and whether there is one reader
    """
    if not performance:
        return None
    heads = vocabulary.heads("readers")
    some = [row for row in comparisons if row.text("reader") == AVERAGE]
    others = [row for row in comparisons if row.text("reader") != AVERAGE]
    average, single = (
        type(comparisons)(rows, comparisons.name, comparisons.columns) for rows in (some, others)
    )
    return {
        "method": vocabulary.name("methods", method),
        "performance": _performance(performance),
        "average": blocks.table(average, hide=("reader",), heads=heads) if average else None,
        "single": blocks.table(single, hide=("readers",), heads=heads) if single else None,
        "alone": len(set(performance.values("reader")) - {AVERAGE}) == 1,
    }


def _performance(rows):
    notes, lines = blocks.Notes(), []
    metrics = vocabulary.ordered("metrics", rows.values("metric"))
    metrics = [
        m for m in metrics if any(r["estimate"].defined for r in rows.where(metric=m))
    ] or metrics
    for condition in rows.values("condition"):
        within = rows.where(condition=condition)
        for reader in within.values("reader"):
            of_reader = within.where(reader=reader)
            first = of_reader[0]
            digits = numbers.digits_for(first["n"].number)
            cells = [_cell(of_reader.where(metric=m), digits, notes) for m in metrics]
            lines.append(
                {
                    "label": _label(reader, condition),
                    "main": reader == AVERAGE,
                    "n": numbers.show_count(first["n"]),
                    "positives": numbers.show_count(first["positives"]),
                    "cells": cells,
                }
            )
    return {
        "first": "Reader",
        "columns": [vocabulary.name("metrics", m) for m in metrics],
        "lines": lines,
        "notes": notes.lines(),
    }


def _label(reader, condition):
    who = "Average of the readers" if reader == AVERAGE else f"Reader {reader}"
    return f"{who}, {vocabulary.terms()['conditions'][condition]}"


def _cell(rows, digits, notes):
    if not rows:
        return Markup("–")
    row = rows[0]
    cell = numbers.show(row["estimate"], digits)
    if row["estimate"].defined:
        cell += Markup(" {}").format(numbers.interval(row, digits=digits))
    return cell + notes.mark(row.text("note"))


__all__ = ["block"]
