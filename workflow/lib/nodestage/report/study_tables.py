"""The study's tables on its page: the paper's, and those about detection and radiomics."""

from pathlib import Path

from nodestage.report import blocks
from nodestage.report.printed import tables as printed
from nodestage.report.sources import load
from nodestage.statistics import vocabulary

DETECTION = (
    ("froc_at.tsv", "Detected lymph nodes at a given number of false positives per patient"),
    ("node_recall.tsv", "Detected lymph nodes, by size, status and station"),
    (
        "stations.tsv",
        "Recall and precision of lymph nodes by station, a guess from the nearest structure",
    ),
    ("false_positives.tsv", "False positives per patient, by location"),
)
"""What attention is meant to change; not among the paper's tables."""

NEED_TRUTH = {
    "table_3.tsv",
    "table_pdac.tsv",
    "table_4.tsv",
    "table_5.tsv",
    *(name for name, _ in DETECTION),
}
"""Tables that compare with drawn masks."""


def paper(folder, sources):
    """[(number, [(caption, table)], note)] of the paper's tables.

    Parameters
    ----------
    folder : of the study's tables
    sources : {organs, tumor: given|predicted} of the discovery center
    """
    return [
        (number, _parts(folder, name, title, sources), vocabulary.foot(name))
        for name, (number, title) in vocabulary.paper_tables().items()
    ]


def detection(folder):
    """[(caption, table)] of the tables about detected nodes."""
    heads = vocabulary.heads("detection")
    return [(title, _table(folder, name, heads)) for name, title in DETECTION]


def signature(folder):
    """The features that the radiomics signature chose."""
    rows = load(folder, "signature.tsv")
    if not rows and Path(folder, rows.name).is_file():
        rows.absent = "LASSO kept no feature in any fold, or no signature was fitted."
    return blocks.table(rows)


def robustness(folder):
    """How many radiomics features withstand small changes; None where that was not asked."""
    rows = load(folder, "robustness.tsv")
    return blocks.table(rows, heads=vocabulary.heads("robustness")) if rows else None


def _table(folder, name, heads=None, sources=()):
    rows = load(folder, name)
    if not rows and name in NEED_TRUTH and Path(folder, name).is_file():
        rows.absent = printed.why_empty(name, sources)
    # The columns of Table I are the centers, whose names stay as they are.
    if name == "table_1.tsv":
        heads = {c: c for c in rows.columns if c not in ("characteristic", "level")}
    return blocks.table(rows, hide=printed.HIDDEN.get(name, ()), heads=heads)


def _parts(folder, name, title, sources):
    """[(caption, table)] of one of the paper's tables; Table V is too wide for one."""
    rows = load(folder, name)
    if name != "table_5.tsv" or not rows:
        return [(title, _table(folder, name, sources=sources))]
    heads, intervals = vocabulary.heads("table_5"), ("dice", "f")
    ends = [f"{column}_{end}" for column in intervals for end in ("low", "high")]
    alone = {*printed.PRINTED[name], *ends} - {*printed.ON_PAIRS}
    paired = {"class", "variant", "basis", *printed.ON_PAIRS, "note"}
    pairs = [row for row in rows if row.text("pairs_dice")]
    compared = type(rows)(pairs, rows.name, rows.columns, "there is only one variant.")
    return [
        (title, blocks.table(rows, {c for c in rows.columns if c not in alone}, heads, intervals)),
        (
            "Each variant compared with the reference, in patients in whom both are defined",
            blocks.table(compared, {c for c in rows.columns if c not in paired}, heads),
        ),
    ]
