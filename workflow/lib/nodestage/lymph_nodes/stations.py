"""The likely station of a lymph node, and how doubtful it is.

A station is a guess from the nearest structure. Where a second structure is nearly as close, another station is
nearly as likely. No drawn stations were available to calibrate this.
"""

from collections.abc import Mapping, Sequence

import numpy as np

SCALE_MM = 3.0
"""Distance over which a further structure's weight falls to 1/e; our choice, near the error of drawn borders."""

NEAR_MM = 5.0
"""A structure at most this much further away than the nearest one could be the right one as well; our choice."""


def assign(distances: Mapping[str, float], stations: Mapping[str, Sequence]) -> dict:
    """The station of a node, and how doubtful it is.

    Parameters
    ----------
    distances : {structure: signed distance in mm, negative inside}; {} where no structure is known
    stations : {structure: its stations}, of `config/anatomy.yaml`

    Returns
    -------
    dict with `nearest_structure`, `distance_mm` and `station`; `station_share`, the nearest structure's share in
    exp(−distance / `SCALE_MM`) over all structures, 1 where no other is close, and no probability;
    `other_stations`, those of the structures at most `NEAR_MM` further away, the nearest first
    """
    if not distances:
        return {"nearest_structure": "", "distance_mm": None, "station": ""} | {
            "station_share": None,
            "other_stations": "",
        }
    order = sorted(distances, key=distances.__getitem__)
    nearest = order[0]
    further = np.array([distances[name] - distances[nearest] for name in order])
    weights = np.exp(-further / SCALE_MM)
    near = [name for name, gap in zip(order[1:], further[1:], strict=True) if gap <= NEAR_MM]
    station = _words(stations.get(nearest, ()))
    others = dict.fromkeys(_words(stations.get(name, ())) for name in near)
    return {
        "nearest_structure": nearest,
        "distance_mm": float(distances[nearest]),
        "station": station,
        "station_share": float(weights[0] / weights.sum()),
        "other_stations": ", ".join(words for words in others if words and words != station),
    }


def beside(rows: list[dict], key: str, table: list[dict]) -> list[dict]:
    """Rows about instances with the station of each, by the instance's number in the column `key`.

    table : instance table, as numbers or as text
    """
    known = {int(row["instance"]): row for row in table}
    return [
        row | {column: known[int(row[key])][column] for column in ("station", "other_stations")}
        for row in rows
    ]


def _words(stations: Sequence) -> str:
    return "/".join(str(station) for station in stations)
