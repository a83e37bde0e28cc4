"""The deciding lymph node, what each node adds to a score, and the nodes as overlays."""

import numpy as np

from nodestage.core import tables
from nodestage.core.instances import positive_rows
from nodestage.methods.graph import shares

SHOWN = (
    "volume_mm3",
    "short_axis_mm",
    "p_positive",
    "station",
    "station_share",
    "other_stations",
    "nearest_structure",
    "distance_mm",
    "measured_by",
)


def overlays(instances, rows):
    """Masks of the nodes called positive and negative.

    Parameters
    ----------
    instances : integer array (z, y, x), numbered from 1
    rows : the patient's rows of the instance table, with `instance` and `p_positive`
    """
    positive = {int(row["instance"]) for row in positive_rows(rows)}
    called = np.zeros(int(instances.max(initial=0)) + 1, bool)
    called[[i for i in positive if i < len(called)]] = True
    positive_mask = called[instances]
    return {"nodes_positive": positive_mask, "nodes_negative": (instances > 0) & ~positive_mask}


def facts(instances, rows):
    """The largest node called positive, as a gallery's panel takes it; {} where there is none.

    Returns
    -------
    dict with `deciding_node`, its row as the report shows it, and `node_center` (z, y, x), the
    middle slice of its largest area, in voxels
    """
    largest = max(positive_rows(rows), key=lambda r: tables.number(r["volume_mm3"]), default=None)
    if largest is None:
        return {}
    voxels = np.argwhere(instances == int(largest["instance"]))
    slices, sizes = np.unique(voxels[:, 0], return_counts=True)
    z = slices[sizes.argmax()]
    center = voxels[voxels[:, 0] == z].mean(0).round().astype(int)
    return {
        "deciding_node": {column: largest.get(column, "") for column in SHOWN},
        "node_center": [int(c) for c in center],
    }


def share_cells(paths, folds, patients):
    """{patient: (fold, cell of `methods.graph.shares`)} of the patients whom `node_graph` scored.

    Parameters
    ----------
    paths : tables of scores, one for each of `folds`
    patients : {patient: the fold that is shown of it}
    """
    return {
        row["patient"]: (fold, row[shares.COLUMN])
        for fold, path in zip(folds, paths, strict=True)
        for row in tables.read(path)
        if row["method"] == "node_graph" and row["score"] and patients.get(row["patient"]) == fold
    }


def added(fold, cell, rows):
    """What each node adds to the patient's score by `node_graph`, for the gallery's panel.

    Parameters
    ----------
    fold, cell : of `share_cells`
    rows : the patient's rows of that fold's instance table

    Returns
    -------
    dict with `node_shares`: `fold`, and `nodes`, each a dict with `share` (of what all nodes add), `volume_mm3` and
    `short_axis_mm`, the largest share first
    """
    of = {int(row["instance"]): row for row in rows}
    nodes = [
        {"share": share}
        | {key: tables.number(of[node][key]) for key in ("volume_mm3", "short_axis_mm")}
        for node, share in shares.read(cell)
    ]
    return {"node_shares": {"fold": fold, "nodes": nodes}}


def in_words(node):
    """A node of `added` by its size and share, such as `71 %: 320 mm³, short axis 6.1 mm`."""
    return (
        f"{100 * node['share']:.0f} %: {node['volume_mm3']:.0f} mm³, "
        f"short axis {node['short_axis_mm']:.1f} mm"
    )
