"""Figures of the paper and of the reports, from tables and slices; each gives a matplotlib Figure.

`save(figure, stem)` writes it as SVG and PNG, `inline(figure, prefix)` gives the SVG that a
page carries inside. Nothing here touches pyplot, so nothing is shared between two figures.
"""

from nodestage.report.figures.curves import calibration, coverage, decision_curve, froc, roc
from nodestage.report.figures.forest import forest
from nodestage.report.figures.pictures import MapSteps, attention_steps, overlays
from nodestage.report.figures.registration import registration_qc
from nodestage.report.figures.style import inline, save, svg

__all__ = [
    "MapSteps",
    "attention_steps",
    "calibration",
    "coverage",
    "decision_curve",
    "forest",
    "froc",
    "inline",
    "overlays",
    "registration_qc",
    "roc",
    "save",
    "svg",
]
