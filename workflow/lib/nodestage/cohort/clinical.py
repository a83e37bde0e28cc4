"""The columns of the sample sheet that a method may read of a patient.

The label and what implies it, pN, are not among them. Rules hand over these and no more.
"""

from typing import Any

CLINICAL = ("ct_reported", "sex", "age", "pt_stage", "tumor_size_cm", "tumor_location")
OUTCOME = "pn_stage"
"""A clinical column that implies the label: tables have it, methods don't."""
LABELS = ("metastasis", OUTCOME)
"""Columns that no method sees, whoever hands over a row."""


def own_columns(clinical: dict[str, Any]) -> tuple[str, ...]:
    """The columns that a study has beyond the usual ones, which methods may read too.

    clinical : {column: its values, or {minimum, maximum}}, as an anatomy has it
    """
    return tuple(column for column in clinical if column not in (*CLINICAL, OUTCOME))


def cell_rule(column: str, values: list[str] | dict[str, float]) -> dict[str, Any]:
    """The rule of a column as `schemas/samples.schema.yaml` writes one.

    Parameters
    ----------
    column : its name
    values : the values that a cell may have, or the `minimum` and `maximum` of a number
    """
    if isinstance(values, dict):
        low, high = values["minimum"], values["maximum"]
        return {
            "type": "string",
            "pattern": r"^([0-9]+(\.[0-9]+)?)?(?![\s\S])",
            "x-range": [low, high],
            "x-hint": f"Give a number from {low:g} to {high:g}, with a decimal point if any, or leave it empty",
        }
    written = [f"p{value}" for value in values] if column in ("pt_stage", OUTCOME) else []
    *first, last = values
    return {
        "enum": ["", *values, *written],
        "x-hint": f"Use {', '.join(first)} or {last}, or leave it empty",
    }
