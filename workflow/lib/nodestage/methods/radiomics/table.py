"""A patient's radiomics as a table."""

from nodestage.core import seals, tables
from nodestage.methods.radiomics.common import COUNT, PHASES

COLUMNS = ("phase", "feature", "value", "reason")


def write(path, values, reason=""):
    """One row per phase and feature; a patient without features has one row with the reason.

    values : {"arterial": {name: float}, "venous": {name: float}}, or {}
    """
    rows = [
        {"phase": phase, "feature": name, "value": value, "reason": ""}
        for phase, of_phase in values.items()
        for name, value in of_phase.items()
    ]
    if not rows:
        rows = [{"phase": "", "feature": "", "value": None, "reason": reason}]
    tables.write(path, rows, COLUMNS)


def read(path):
    """What `write` wrote.

    Returns
    -------
    values : {"arterial_<feature>": float, ..., "venous_<feature>": float}, or {}
    reason : "" or why there are none
    """
    rows = tables.read(path)
    if len(rows) == 1 and rows[0]["reason"]:
        return {}, rows[0]["reason"]
    if len(rows) != len(PHASES) * COUNT:
        raise seals.changed(path, f"has {len(rows)} rows, not {len(PHASES) * COUNT}")
    return {f"{row['phase']}_{row['feature']}": tables.number(row["value"]) for row in rows}, ""
