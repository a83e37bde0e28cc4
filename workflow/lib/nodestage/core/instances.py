"""The table of lymph-node instances: its columns, and which of its rows are positive.

Imports nothing heavy: statistics and report read the table without a network's packages.
"""

from collections.abc import Iterable

from nodestage.core import tables

COLUMNS = [
    "instance",
    "volume_mm3",
    "short_axis_mm",
    "x",
    "y",
    "z",
    "nearest_structure",
    "distance_mm",
    "station",
    "station_share",
    "other_stations",
]

POSITIVE_FROM = 0.5
"""Probability of metastasis from which an instance is called positive."""


def is_positive(p_positive):
    """Whether instances are called positive; never where there is no probability (NaN).

    p_positive : float, or float array of any shape; the answer is a bool or bool array likewise
    """
    return p_positive >= POSITIVE_FROM


def positive_rows(rows: Iterable[dict]) -> list[dict]:
    """Those of an instance table's rows, with `p_positive` as number or text, that are positive."""
    return [row for row in rows if is_positive(tables.number(row["p_positive"]))]
