"""Blocks of a center's page on how far the model may be relied on there."""

from markupsafe import Markup

from nodestage.report import blocks, numbers
from nodestage.statistics import rates, vocabulary

MOST_LISTED = 50
"""Patients whose spread a page lists; the table has them all."""

DRAWN_NEXT = 30
"""Patients, and nodes, that a page lists as those to draw next; the tables have them all."""


def operating(rows):
    """What the threshold for a declared sensitivity gives; None where none is declared.

    Parameters
    ----------
    rows : sources.Rows of operating_point.tsv

    Returns
    -------
    {title, words, thresholds, blocks}; `blocks` as `blocks.performance` gives them
    """
    if not rows:
        return None
    metric = vocabulary.inside("metrics", rows[0].text("target"))
    firsts = [rows.where(method=method)[0] for method in rows.values("method")]
    external = "ensemble" in rows.values("basis")
    return {
        # Captions are attributes too, where no tag may stand.
        "title": f"{metric} {rows[0].text('wanted')}",
        "words": Markup("{} {}").format(
            metric, numbers.tagged(rows[0]["wanted"], rows[0].text("wanted"))
        ),
        "thresholds": [
            threshold(row.text("method"), row["threshold"])
            for row in firsts
            if external and row["threshold"].defined
        ],
        "blocks": blocks.performance(rows, rates.CALL_METRICS),
    }


def recalibration(rows, method):
    """The frozen probabilities beside those recalibrated on the center's own patients.

    Parameters
    ----------
    rows : sources.Rows of recalibration.tsv
    method : the declared method, whose block comes first

    Returns
    -------
    {blocks: [{method, first, columns, lines: [{label, main, n, positives, cells}], notes}], absent}, None
    without rows; `absent` lists methods that could not be recalibrated, with the reason
    """
    if not rows:
        return None
    methods = vocabulary.ordered("methods", rows.values("method"))
    methods.sort(key=lambda name: name != method)
    made, absent = [], {}
    for name in methods:
        within = rows.where(method=name)
        fitted = [row for row in within if row.text("recalibrated") != "frozen"]
        if any(row["estimate"].defined for row in fitted):
            made.append(_recalibrated(within, name))
        else:
            reason = next((row.text("note") for row in fitted), "")
            absent.setdefault(reason, []).append(vocabulary.name("methods", name))
    sentences = [f"Not recalibrated: {', '.join(names)} ({why})." for why, names in absent.items()]
    return {"blocks": made, "absent": sentences}


def _recalibrated(rows, method):
    notes, lines = blocks.Notes(), []
    metrics = vocabulary.ordered("metrics", rows.values("metric"))
    losses = [m for m in metrics if any(r["difference"].defined for r in rows.where(metric=m))]
    for kind in vocabulary.ordered("recalibrated", rows.values("recalibrated")):
        within = rows.where(recalibrated=kind)
        digits = numbers.digits_for(within[0]["n"].number)
        cells = [_estimate(within.where(metric=m), digits, notes) for m in metrics]
        cells += [_gap(within.where(metric=m)) for m in losses]
        lines.append(
            {
                "label": vocabulary.name("recalibrated", kind),
                "main": kind == "frozen",
                "n": numbers.show_count(within[0]["n"]),
                "positives": numbers.show_count(within[0]["positives"]),
                "cells": cells,
            }
        )
    return {
        "method": vocabulary.name("methods", method),
        "first": "Probabilities",
        "columns": [vocabulary.name("metrics", m) for m in metrics]
        + [f"{vocabulary.name('metrics', m)}, minus frozen [95 % CI]" for m in losses],
        "lines": lines,
        "notes": notes.lines(),
    }


def _estimate(rows, digits, notes):
    if not rows:
        return Markup("–")
    row = rows[0]
    return numbers.show(row["estimate"], digits) + notes.mark(row.text("note"))


def _gap(rows):
    """A difference of a loss, which needs three decimals, with its interval."""
    if not rows or not rows[0]["difference"].defined:
        return Markup("–")
    row = rows[0]
    ends = numbers.interval(row, digits=3)
    return Markup("{} {}").format(numbers.show(row["difference"], 3), ends)


def coverage(rows, method):
    """Conformal sets of the declared method at every coverage, of the others at the declared one.

    Parameters
    ----------
    rows : sources.Rows of coverage.tsv
    method : the declared method; without rows of it the first that has any

    Returns
    -------
    {method, wanted, title, levels, others}, the last two as `blocks.table` gives them (`others` may be
    None); None where no coverage is declared
    """
    if not rows:
        return None
    methods = vocabulary.ordered("methods", rows.values("method"))
    main = method if method in methods else methods[0]
    declared = rows.where(declared=1)
    others = type(rows)(
        [row for row in declared if row.text("method") != main], rows.name, rows.columns
    )
    shares = {
        "intervals": ("covered", "decided", "accuracy"),
        "heads": vocabulary.heads("coverage"),
    }
    wanted = declared[0]["wanted"]
    return {
        "method": vocabulary.name("methods", main),
        "wanted": numbers.tagged(wanted, wanted.text),
        "title": wanted.text,
        "levels": blocks.table(rows.where(method=main), hide=("method", "declared"), **shares),
        "others": blocks.table(others, hide=("wanted", "declared"), **shares) if others else None,
    }


def uncertainty(rows, method):
    """Patients on whom the folds' models agree least, by the declared method; None without rows.

    Parameters
    ----------
    rows : sources.Rows of uncertainty.tsv
    method : the declared method

    Returns
    -------
    {method, patients, table, shown}; the `MOST_LISTED` with the widest intervals, widest first
    """
    within = rows.where(method=method)
    if not within:
        return None
    widest = sorted(within, key=lambda row: row["low"].number - row["high"].number)
    listed = type(rows)(widest[:MOST_LISTED], rows.name, rows.columns)
    return {
        "method": vocabulary.name("methods", method),
        "patients": len(within),
        "shown": len(listed),
        "table": blocks.table(
            listed, hide=("method", "folds"), heads=vocabulary.heads("uncertainty")
        ),
    }


def draw_next(patients, nodes):
    """Patients and nodes to draw next, the most doubtful first; None where all patients are drawn.

    Parameters
    ----------
    patients, nodes : sources.Rows of draw_next_patients.tsv and draw_next_nodes.tsv

    Returns
    -------
    {patients, nodes, n_patients, n_nodes, shown}, the tables as `blocks.table` gives them, cut to `DRAWN_NEXT`
    """
    if not patients and not nodes:
        return None
    heads = vocabulary.heads("draw_next")
    first = [
        type(rows)(rows[:DRAWN_NEXT], rows.name, rows.columns, rows.absent)
        for rows in (patients, nodes)
    ]
    return {
        "patients": blocks.table(first[0], heads=heads),
        "nodes": blocks.table(first[1], hide=("doubt",), heads=heads),
        "n_patients": len(patients),
        "n_nodes": len(nodes),
        "shown": DRAWN_NEXT,
    }


def stages(performance, confusion):
    """The predicted nodal stage against pathology; None where no method predicts it.

    Parameters
    ----------
    performance, confusion : sources.Rows of pn_stage.tsv and pn_confusion.tsv

    Returns
    -------
    {performance, confusion}, as `blocks.table` gives them
    """
    if not performance:
        return None
    heads = vocabulary.heads("stages")
    return {
        "performance": blocks.table(performance, heads=heads),
        "confusion": blocks.table(confusion, heads=heads),
    }


def threshold(method, cell):
    """`0.52 (Combined)`, with the unit of the method's score where it has one."""
    unit = vocabulary.terms()["units"].get(method, "")
    name = vocabulary.name("methods", method)
    return Markup("{}{}{} ({})").format(numbers.show_any(cell), " " * bool(unit), unit, name)


__all__ = [
    "coverage",
    "draw_next",
    "operating",
    "recalibration",
    "stages",
    "threshold",
    "uncertainty",
]
