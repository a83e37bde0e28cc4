"""Rows of stations.tsv: recall and precision of the segmentation by lymph-node station.

The station of drawn and predicted nodes alike is a guess from the nearest structure (`lymph_nodes.stations`).
"""

import numpy as np

from nodestage.metrics import detection
from nodestage.statistics.bootstrap import copies_of, interval
from nodestage.statistics.intervals import undefined_share
from nodestage.statistics.undefined import answer

COLUMNS = (
    "variant",
    "station",
    "drawn",
    "found",
    "recall",
    "recall_low",
    "recall_high",
    "drawn_doubtful",
    "predicted",
    "matched",
    "precision",
    "precision_low",
    "precision_high",
    "predicted_doubtful",
    "same_station",
    "patients",
    "note",
)


def rows(nodes, candidates, patients, n=1000, seed=0):
    """Recall of drawn and precision of predicted nodes of each station, every variant.

    Parameters
    ----------
    nodes, candidates : rows of `metrics.evaluate_lymph_nodes` with patient, variant, `station` and
        `other_stations`
    patients : {variant: codes of the evaluated patients}, those without any node too
    n, seed : resamples of whole patients, which all stations and variants of the same patients share

    Returns
    -------
    list of dicts with `COLUMNS`. A drawn node counts for its station, a predicted one likewise;
    `same_station` is how many of the matched drawn nodes have a partner of the same station.
    `drawn_doubtful` and `predicted_doubtful` count those with another station nearly as close.
    """
    if not any("station" in row for row in candidates):
        return []
    made = []
    for variant, codes in patients.items():
        index = {code: i for i, code in enumerate(sorted(codes))}
        copies = copies_of(np.random.default_rng(seed), n, len(index))
        drawn = [row for row in nodes if row["variant"] == variant]
        predicted = [row for row in candidates if row["variant"] == variant]
        # {patient and drawn node: station of the predicted one}
        partner = {(r["patient"], str(r["node"])): _station(r) for r in predicted if _matched(r)}
        for station in detection.in_order(map(_station, [*drawn, *predicted])):
            of_drawn = [row for row in drawn if _station(row) == station]
            of_predicted = [row for row in predicted if _station(row) == station]
            is_found = [int(row["found"]) for row in of_drawn]
            is_matched = [int(_matched(row)) for row in of_predicted]
            recall, why_recall = _share(is_found, [index[r["patient"]] for r in of_drawn], copies)
            precision, why_precision = _share(
                is_matched, [index[r["patient"]] for r in of_predicted], copies
            )
            same = [
                partner[r["patient"], str(r["node"])] == station
                for r in of_drawn
                if (r["patient"], str(r["node"])) in partner
            ]
            notes = {"recall": why_recall, "precision": why_precision}
            made.append(
                {
                    "variant": variant,
                    "station": station,
                    "drawn": len(is_found),
                    "found": sum(is_found),
                }
                | dict(zip(("recall", "recall_low", "recall_high"), recall, strict=True))
                | {"drawn_doubtful": _doubtful(of_drawn)}
                | {"predicted": len(is_matched), "matched": sum(is_matched)}
                | dict(
                    zip(("precision", "precision_low", "precision_high"), precision, strict=True)
                )
                | {"predicted_doubtful": _doubtful(of_predicted), "same_station": sum(same)}
                | {"patients": len(index)}
                | {"note": "; ".join(f"{of}: {why}" for of, why in notes.items() if why)}
            )
    return made


def _station(row):
    return row.get("station") or "unknown"


def _matched(row):
    return row["node"] not in (None, "")


def _doubtful(some):
    return sum(bool(row.get("other_stations")) for row in some)


def _share(flags, members, copies):
    """(share, low, high) of flags (nodes,) whose patients are `members`, and a note."""
    if not flags:
        return (None, None, None), ""
    weights = copies[:, members].astype(float)
    with np.errstate(invalid="ignore"):
        drawn = weights @ np.asarray(flags, float) / weights.sum(1)
    ends, reason = answer(interval, drawn)
    return (float(np.mean(flags)), *(ends or (None, None))), reason or undefined_share(drawn)


__all__ = ["COLUMNS", "rows"]
