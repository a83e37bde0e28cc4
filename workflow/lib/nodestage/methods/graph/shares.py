"""What each candidate adds to the score of `node_graph`: a cell of its table of scores."""

import numpy as np

COLUMN = "node_shares"


def write(instances: np.ndarray, added: np.ndarray) -> str:
    """The cell: `3:0.8 1:0.2`, each candidate's number and its share of what all add, the largest first.

    instances : numbers of the candidates (n,); added : what each adds before they are joined (n,), above 0
    """
    order = np.argsort(-added, kind="stable")
    share = added[order] / max(added.sum(), np.finfo(float).tiny)
    return " ".join(
        f"{number}:{part:.6g}" for number, part in zip(instances[order], share, strict=True)
    )


def read(cell: str) -> list[tuple[int, float]]:
    """(number of a candidate, its share), the largest first; [] without candidates."""
    pairs = (part.split(":") for part in cell.split())
    return [(int(number), float(share)) for number, share in pairs]
