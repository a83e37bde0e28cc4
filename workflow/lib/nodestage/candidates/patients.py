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


def expected_positive(rows: list[dict]) -> float:
    """Expected number of positive nodes, the sum of their probabilities; 0 without any.

    rows : likewise, with `p_node_positive`
    """
    return float(sum(tables.number(row["p_node_positive"]) for row in rows))


def called_nodes(instances: np.ndarray, rows: list[dict]) -> tuple[np.ndarray, dict, dict]:
    """What is left of a patient's instances when only candidates called nodes are kept.

    Parameters
    ----------
    instances : numbered from 1, (z, y, x)
    rows : theirs, with `is_node`, `counts` and `p_node`

    Returns
    -------
    instances : the same numbers without the others, (z, y, x)
    positive : {instance: 1.0 or 0.0}, whether it counts
    confidence : {instance: `p_node`}
    """
    kept = {int(row["instance"]): row for row in rows if tables.number(row["is_node"]) == 1}
    left = np.where(np.isin(instances, list(kept)), instances, 0)
    positive = {number: tables.number(row["counts"]) for number, row in kept.items()}
    return left, positive, {number: tables.number(row["p_node"]) for number, row in kept.items()}
