"""A forest of decision trees as plain arrays, so that a model file holds no code.

scikit-learn grows the trees; what is kept are their splits and leaves, and `probabilities` follows
them with numpy alone, to the same numbers.
"""

import numpy as np
import torch

# Trees and smallest leaf: few patients give a few hundred candidates.
TREES, SMALLEST_LEAF = 150, 4


def grow(
    values: np.ndarray,
    classes: np.ndarray,
    n_classes: int,
    seed: int = 0,
    features: int | None = None,
) -> dict:
    """Extremely randomized trees (Geurts 2006) on a table of statistics.

    Parameters
    ----------
    values : float array (n, statistics), finite
    classes : int array (n,), 0 to `n_classes` - 1; a class may have no row. Without any row the
        forest returns 0.
    seed : int
    features : how many statistics a split chooses from; None: the square root of their number

    Returns
    -------
    dict of tensors, the trees' nodes one after another: `feature` (int32; -1 at a leaf),
    `threshold` (float64), `left`, `right` (int32, node numbers over all trees), `share` (float64,
    (nodes, n_classes)), and `roots` (int32, a node a tree)
    """
    from sklearn.ensemble import ExtraTreesClassifier

    if not len(values):
        return _leaf(n_classes)
    values = np.asarray(values, np.float32)  # as scikit-learn splits them
    fitted = ExtraTreesClassifier(
        TREES,
        min_samples_leaf=SMALLEST_LEAF,
        max_features=features or "sqrt",
        random_state=seed,
        n_jobs=1,
    ).fit(values, classes)
    parts: dict[str, list] = {
        name: [] for name in ("feature", "threshold", "left", "right", "share")
    }
    roots, first = [], 0
    for tree in (estimator.tree_ for estimator in fitted.estimators_):
        leaf = tree.children_left < 0
        share = np.zeros((tree.node_count, n_classes))
        share[:, fitted.classes_] = tree.value[:, 0] / tree.value[:, 0].sum(1, keepdims=True)
        parts["feature"].append(np.where(leaf, -1, tree.feature))
        parts["threshold"].append(np.where(leaf, 0.0, tree.threshold))
        parts["left"].append(np.where(leaf, -1, tree.children_left + first))
        parts["right"].append(np.where(leaf, -1, tree.children_right + first))
        parts["share"].append(share)
        roots.append(first)
        first += tree.node_count
    kinds = {"threshold": np.float64, "share": np.float64}
    forest = {
        name: torch.from_numpy(np.concatenate(arrays).astype(kinds.get(name, np.int32)))
        for name, arrays in parts.items()
    }
    return forest | {"roots": torch.tensor(roots, dtype=torch.int32)}


def probabilities(forest: dict, values: np.ndarray) -> np.ndarray:
    """Mean share of each class over the trees, float64 (n, classes).

    forest : from `grow`; values : float array (n, statistics)
    """
    values = np.asarray(values, np.float32)
    feature, threshold, left, right, share, roots = (
        forest[name].numpy() for name in ("feature", "threshold", "left", "right", "share", "roots")
    )
    total = np.zeros((len(values), share.shape[1]))
    rows = np.arange(len(values))
    for root in roots:
        node = np.full(len(values), root)
        while True:
            split = feature[node]
            inner = split >= 0
            if not inner.any():
                break
            low = values[rows, np.maximum(split, 0)] <= threshold[node]
            node = np.where(inner, np.where(low, left[node], right[node]), node)
        total += share[node]
    return total / len(roots)


def _leaf(n_classes):
    """A forest that returns 0 for every row."""
    number = torch.tensor([-1], dtype=torch.int32)
    share = torch.zeros((1, n_classes), dtype=torch.float64)
    share[0, 0] = 1.0
    return {
        "feature": number,
        "threshold": torch.zeros(1, dtype=torch.float64),
        "left": number.clone(),
        "right": number.clone(),
        "share": share,
        "roots": torch.zeros(1, dtype=torch.int32),
    }
