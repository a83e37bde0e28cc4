"""A patient's numbers from its candidates."""

import numpy as np

from nodestage.core import tables


def counted_volumes(rows: list[dict]) -> list[float]:
    """Volumes in mm³ of a patient's candidates that count, [] when there is none.

    rows : the patient's rows of a table of `candidates`, with `volume_mm3` and `counts`
    """
    return [tables.number(row["volume_mm3"]) for row in rows if tables.number(row["counts"]) == 1]


def noisy_or(rows: list[dict]) -> float:
    """Probability of at least one positive node, were candidates independent; 0 without any.

    rows : likewise, with `p_node_positive`
    """
    probabilities = [tables.number(row["p_node_positive"]) for row in rows]
    return float(1 - np.prod(1 - np.asarray(probabilities, float)))
