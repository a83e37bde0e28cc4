"""Features of candidates, and their probabilities by a fold's forests."""

import numpy as np

from nodestage.candidates import forest
from nodestage.core import tables
from nodestage.lymph_nodes import appearance

# What each of the two forests reads. Log odds are the networks' output; their inner
# features are left out, since those of two networks are not comparable. Whether a node is positive is read from a few
# numbers of its inside that hardly depend on where its mask ends, and from its volume, which decides
# how much of it is mixed with its surroundings (docs/benchmarks.md, "Lymph nodes and candidates"). How
# much that is depends on the scan's sharpness too.
NODE = [name for name in appearance.COLUMNS if name not in appearance.SCAN]
POSITIVE = [
    "log_volume",
    *(
        f"{phase}_{name}"
        for phase in appearance.PHASES
        for name in ("inner", "inner_sd", "unmixed", "unmixed_sd", "p90")
    ),
    *appearance.SCAN,
]
COLUMNS = ["p_node", "p_node_positive", "is_node", "counts"]


def joined(instances: list[dict], looks: list[dict]) -> list[dict]:
    """Rows of an instance table joined with those of `appearance.tsv`.

    Instances that it does not describe (of another variant than `attention`) are left out.
    """
    known = {(row["patient"], row["variant"], row["instance"]): row for row in looks}
    keys = ((row["patient"], row["variant"], row["instance"]) for row in instances)
    return [row | known[key] for row, key in zip(instances, keys, strict=True) if key in known]


def inputs(rows: list[dict], columns: list[str]) -> np.ndarray:
    """The table that a forest reads, float64 (n, columns), from rows of numbers or text."""
    values = [[tables.number(row[name]) for name in columns] for row in rows]
    return np.array(values, float).reshape(len(rows), len(columns))


def classify(model: dict, rows: list[dict], part: int | None = None) -> list[dict]:
    """`COLUMNS` of each candidate.

    Parameters
    ----------
    model : a fold's model, from `training.train_fold`
    rows : from `joined`
    part : number of the part of the training patients that the patient belongs to: its candidates
        are classified by the forests trained without it. None for every other patient

    Returns
    -------
    list of dicts: `p_node`, `p_node_positive` (probabilities of a lymph node, and of a positive
    one), `is_node` and `counts` (0 or 1: above the fold's cuts of either)
    """
    if not rows:
        return []
    forests = model["forests"][name_of(part)]
    node = forest.probabilities(forests["node"], inputs(rows, NODE))[:, 1]
    positive = forest.probabilities(forests["positive"], inputs(rows, POSITIVE))[:, 1] * node
    return [
        {
            "p_node": float(n),
            "p_node_positive": float(p),
            "is_node": int(n > model["node_cut"]),
            "counts": int(p > model["cut"]),
        }
        for n, p in zip(node, positive, strict=True)
    ]


def name_of(part: int | None) -> str:
    """The name of the forests that may classify a patient of this part of the training patients."""
    return "all" if part is None else f"part{part}"
