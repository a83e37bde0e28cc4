"""What a fold's forests read of candidates, and what they say of them."""

import numpy as np

from nodestage.candidates import forest
from nodestage.core import tables
from nodestage.lymph_nodes import appearance

MOST_LOG_ODDS = 12.0  # of identification, whose probability may round to 0 or 1
# The networks' outputs, not their features: those of two networks have nothing in common.
INPUTS = [*appearance.COLUMNS, "identification"]
COLUMNS = ["p_node", "p_node_positive", "is_node", "counts"]


def joined(instances: list[dict], looks: list[dict]) -> list[dict]:
    """Rows of an instance table with what `appearance.tsv` says of the same instances.

    Instances that it does not describe (of another variant than `attention`) are left out.
    """
    known = {(row["patient"], row["variant"], row["instance"]): row for row in looks}
    keys = ((row["patient"], row["variant"], row["instance"]) for row in instances)
    return [row | known[key] for row, key in zip(instances, keys, strict=True) if key in known]


def inputs(rows: list[dict]) -> np.ndarray:
    """The table that forests read, float64 (n, inputs).

    rows : from `joined`; numbers or text
    """
    found = np.empty((len(rows), len(INPUTS)))
    for row, values in zip(rows, found, strict=True):
        values[:-1] = [tables.number(row[name]) for name in appearance.COLUMNS]
        p = min(max(tables.number(row["p_positive"]), 1e-9), 1 - 1e-9)
        values[-1] = np.clip(np.log(p / (1 - p)), -MOST_LOG_ODDS, MOST_LOG_ODDS)
    return found


def classify(model: dict, rows: list[dict], part: int | None = None) -> list[dict]:
    """`COLUMNS` of each candidate.

    Parameters
    ----------
    model : a fold's model, from `training.train_fold`
    rows : from `joined`
    part : number of the part of the training patients that the patient belongs to: its candidates
        are classified by the forest that it had no share in. None for every other patient

    Returns
    -------
    list of dicts: `p_node`, `p_node_positive` (probabilities of a lymph node, and of a positive
    one), `is_node` and `counts` (0 or 1: above the fold's cuts of either)
    """
    if not rows:
        return []
    shares = forest.probabilities(model["forests"][forest_of(part)], inputs(rows))
    return [
        {
            "p_node": float(negative + positive),
            "p_node_positive": float(positive),
            "is_node": int(negative + positive > model["node_cut"]),
            "counts": int(positive > model["cut"]),
        }
        for _, negative, positive in shares
    ]


def forest_of(part: int | None) -> str:
    """The name of the forest that may classify a patient of this part of the training patients."""
    return "all" if part is None else f"part{part}"
