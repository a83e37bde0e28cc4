"""Blocks of a center's page on how far the model may be relied on there."""

from markupsafe import Markup

from nodestage.report import blocks, numbers
from nodestage.statistics import rates, vocabulary


def operating(rows):
    """What the threshold for a declared sensitivity gives; None where none is declared.

    Parameters
    ----------
    rows : sources.Rows of operating_point.tsv

    Returns
    -------
    {words, thresholds, blocks}; `blocks` as `blocks.performance` gives them
    """
    if not rows:
        return None
    metric = vocabulary.inside("metrics", rows[0].text("target"))
    firsts = [rows.where(method=method)[0] for method in rows.values("method")]
    external = "ensemble" in rows.values("basis")
    return {
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


def threshold(method, cell):
    """`0.52 (Combined)`, with the unit of the method's score where it has one."""
    unit = vocabulary.terms()["units"].get(method, "")
    name = vocabulary.name("methods", method)
    return Markup("{}{}{} ({})").format(numbers.show_any(cell), " " * bool(unit), unit, name)


__all__ = ["operating", "threshold"]
