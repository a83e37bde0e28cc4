"""The deciding lymph node, and the nodes as overlays."""

import numpy as np

from nodestage.core import tables
from nodestage.core.instances import positive_rows

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
