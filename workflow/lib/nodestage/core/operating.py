"""The threshold for a declared sensitivity or specificity, chosen on V of each fold, then frozen.

It is reported beside the threshold with the best balanced accuracy, which predictions, calls and the
paper's tables keep. V is small, and scores of other hospitals may be distributed differently: what the
frozen threshold reaches there is shown in the tables.
"""

import math

import numpy as np

METRICS = ("sensitivity", "specificity")

UNREACHED = "no threshold above 0 reaches {metric} {wanted:g} on the validation part"


def declared(option):
    """(metric, wanted) of the config's `operating_point`, such as {sensitivity: 0.9}; None for null."""
    if not option:
        return None
    ((metric, wanted),) = option.items()
    if metric not in METRICS:
        raise ValueError(f"an operating point is a {' or '.join(METRICS)}, got {metric!r}")
    return metric, float(wanted)


def midpoints(distinct):
    """The cuts between neighbors of distinct sorted scores (n,): array (n - 1,)."""
    middles = distinct[:-1] + np.diff(distinct) / 2
    # Between two neighboring floats the midpoint rounds to one of them: take the lower.
    return np.where(middles >= distinct[1:], distinct[:-1], middles)


def threshold(y, score, metric, wanted, nonnegative=False):
    """The cut that reaches a sensitivity (or specificity) at the best of the other one.

    Candidates are the midpoints between neighboring distinct scores, the highest score (nobody is
    called positive), and the float below the lowest (everybody is). Of equals the one with more of
    the declared metric.

    Parameters
    ----------
    y : labels (n,), 0 or 1, both present
    score : (n,), finite
    metric : `sensitivity` or `specificity`
    wanted : share between 0 and 1
    nonnegative : the score is a volume, and its cut is never below 0

    Returns
    -------
    float, a patient is called positive above it; None where no candidate reaches it (a volume of 0
    in too many positive patients)
    """
    y, score = np.asarray(y, bool), np.asarray(score, float)
    if not y.any() or y.all():
        raise ValueError("an operating point needs both classes")
    distinct = np.unique(score)
    lowest = np.nextafter(distinct[0], -np.inf)
    cuts = np.concatenate([[lowest], midpoints(distinct), distinct[-1:]])
    if nonnegative:
        cuts = np.unique(np.maximum(cuts, 0.0))
    called = score[None, :] > cuts[:, None]
    reached = {"sensitivity": called[:, y].mean(1), "specificity": 1 - called[:, ~y].mean(1)}
    first, other = reached[metric], reached[METRICS[1 - METRICS.index(metric)]]
    # A share of counts may be below its exact value by a rounding error.
    enough = np.flatnonzero(first >= wanted - 1e-9)
    if not len(enough):
        return None
    best = max(enough, key=lambda i: (other[i], first[i]))
    return float(cuts[best])


def frozen(y, score, option, nonnegative=False):
    """What a fold's bundle holds of one method's operating point.

    Parameters
    ----------
    y, score : labels and scores of V (n,), both classes present; or None where V allows no threshold
    option : the config's `operating_point`, not null
    nonnegative : see `threshold`

    Returns
    -------
    {metric, wanted, threshold, sensitivity, specificity, reason}: the two shares are those of V
    """
    metric, wanted = declared(option)
    record = dict.fromkeys(("threshold", *METRICS)) | {"metric": metric, "wanted": wanted}
    if y is None:
        return record | {"reason": ""}
    y, score = np.asarray(y, bool), np.asarray(score, float)
    cut = threshold(y, score, metric, wanted, nonnegative)
    if cut is None:
        return record | {"reason": UNREACHED.format(metric=metric, wanted=wanted)}
    called = score > cut
    shares = {"sensitivity": called[y].mean(), "specificity": 1 - called[~y].mean()}
    return (
        record
        | {name: float(share) for name, share in shares.items()}
        | {"threshold": cut, "reason": ""}
    )


def mean_threshold(records):
    """(mean of the folds' thresholds, ""), or (None, reason) where a fold has none.

    Parameters
    ----------
    records : this method's whole frozen record of each fold
    """
    points = [record.get("operating_point") for record in records]
    if not points or any(point is None for point in points):
        return None, "the frozen models have no operating point"
    cuts = [point["threshold"] for point in points]
    if any(cut is None for cut in cuts):
        reasons = [
            point["reason"] or record["reason"]
            for point, record in zip(points, records, strict=True)
            if point["threshold"] is None
        ]
        return None, f"{reasons[0]} ({len(reasons)} of {len(cuts)} folds)"
    return math.fsum(cuts) / len(cuts), ""


__all__ = ["METRICS", "declared", "frozen", "mean_threshold", "midpoints", "threshold"]
