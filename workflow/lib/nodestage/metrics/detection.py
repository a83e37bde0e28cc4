"""Detected nodes and false positives over patients: FROC, recall by group, false positives by place."""

import numpy as np

from nodestage.metrics.lymph_nodes import PLACES
from nodestage.metrics.short_axis import SHORT_AXIS_MM, short_axis_class


def froc(candidates, truth_nodes, patients):
    """Free-response curve: recall over false positives per patient as the threshold falls.

    Parameters
    ----------
    candidates : rows with `confidence` and `node` (None for a false positive)
    truth_nodes : number of true nodes over all patients, those without any candidate too
    patients : number of patients, those without nodes too

    Returns
    -------
    list of {threshold, false_positives_per_patient, recall}, from the strictest threshold on;
    recall is None when there is no true node. Candidates of one confidence enter together, those
    without any last (threshold None).
    """
    if patients < 1:
        raise ValueError(f"FROC needs at least one patient, got {patients}")
    if not candidates:
        return []
    confidence = np.array([confidence_of(row) for row in candidates])
    hit = np.array([row["node"] not in (None, "") for row in candidates])
    order = np.argsort(-confidence, kind="stable")
    confidence, hit = confidence[order], hit[order]
    last = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True))
    return [
        {
            "threshold": float(confidence[i]) if np.isfinite(confidence[i]) else None,
            "false_positives_per_patient": float(wrong / patients),
            "recall": float(hits / truth_nodes) if truth_nodes else None,
        }
        for i, hits, wrong in zip(last, np.cumsum(hit)[last], np.cumsum(~hit)[last], strict=True)
    ]


def confidence_of(candidate):
    """A candidate's confidence; below all others where there is none."""
    value = candidate["confidence"]
    value = float("nan") if value in (None, "") else float(value)
    return -np.inf if np.isnan(value) else value


def recall_by(nodes, key):
    """Recall within groups of true nodes.

    Parameters
    ----------
    nodes : rows of true nodes (`evaluate_lymph_nodes`)
    key : `short_axis`, or a column such as `station` or `class`

    Returns
    -------
    list of {group, n, found, recall}, by group, the size classes from small to large and each of
    them; nodes without a value form the group `unknown`, the last. `recall` is None without nodes
    """
    groups = dict.fromkeys(map(short_axis_class, (0, *SHORT_AXIS_MM[1:], np.inf)), ())
    groups = groups if key == "short_axis" else {}
    for node in sorted(nodes, key=lambda node: _order(group_of(node, key))):
        group = group_of(node, key)
        groups[group] = (*groups.get(group, ()), int(node["found"]))
    return [
        {
            "group": group,
            "n": len(flags),
            "found": sum(flags),
            "recall": sum(flags) / len(flags) if flags else None,
        }
        for group, flags in groups.items()
    ]


def group_of(node, key):
    """The group of a true node under `recall_by`'s key."""
    if key == "short_axis":
        return short_axis_class(float(node["short_axis_mm"]))
    return "unknown" if node[key] in (None, "") else str(node[key])


def in_order(stations):
    """Each station once, by its numbers, `unknown` last."""
    return sorted(set(stations), key=_order)


def _order(group):
    """Stations by their numbers ("5/6" before "10"), words by the alphabet, `unknown` last."""
    numbers = tuple(int(n) for n in group.split("/") if n.isdigit())
    return group == "unknown", numbers, group


def false_positives_by_place(candidates, patients):
    """False positives per patient by place, each place listed even when it has none.

    Parameters
    ----------
    candidates : rows with `node` and `place`
    patients : number of patients

    Returns
    -------
    list of {place, n, per_patient}
    """
    false = [row.get("place") for row in candidates if row["node"] in (None, "")]
    places = list(PLACES) + (["unknown"] if any(place in (None, "") for place in false) else [])
    return [
        {"place": place, "n": n, "per_patient": n / patients}
        for place, n in ((p, sum((f or "unknown") == p for f in false)) for p in places)
    ]
