"""Lymph-node instances: connected components and the rows of their table."""

import cc3d
import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from nodestage.core.errors import InputError
from nodestage.lymph_nodes.stations import assign
from nodestage.metrics.instances import label_instances
from nodestage.metrics.short_axis import short_axis_mm


def components(mask, spacing, min_volume_mm3=0.0):
    """Instances of a mask (`metrics.label_instances`) without the smallest, numbered anew from 1.

    Parameters
    ----------
    mask : integer or bool array (z, y, x), 0 background
    spacing : (z, y, x), mm
    min_volume_mm3 : float, smaller components are background

    Returns
    -------
    uint16 array (z, y, x)
    """
    instances = label_instances(mask)
    voxels = cc3d.statistics(instances, no_slice_conversion=True)["voxel_counts"][
        : instances.max() + 1
    ]
    volumes = voxels * float(np.prod(spacing))
    kept = volumes >= min_volume_mm3
    kept[0] = False
    if kept.sum() > np.iinfo(np.uint16).max:
        raise InputError(
            f"{int(kept.sum())} instances in one mask can't be lymph nodes. Raise "
            "`lymph_nodes.min_volume_mm3`, or look at the image."
        )
    numbers = np.where(kept, np.cumsum(kept), 0).astype(np.uint16)
    return numbers[instances]


def instance_table(instances, spacing, organs=None, anatomy=None, origin=(0.0, 0.0, 0.0)):
    """One row per instance: size, position, and the station that it likely belongs to.

    Parameters
    ----------
    instances : integer array (z, y, x), numbered from 1
    spacing : (z, y, x), mm
    organs : uint8 label map (z, y, x), or None where there is none
    anatomy : `config/anatomy.yaml`; structures are those of its `ranges_mm`
    origin : (x, y, z) of the first voxel's center, mm, axes as in canonical orientation

    Returns
    -------
    list of dicts with `table.COLUMNS`. `x`, `y`, `z` are the centroid in mm. `distance_mm` goes from
    the instance's voxel nearest to its centroid to the surface of the nearest structure, negative
    inside it; the surface is the structure's border voxels. `station` is a guess from that
    structure alone ("5/6/12/13/17" for the duodenum), empty where no structure is known; `station_share`
    and `other_stations` show how doubtful it is (`stations.assign`).
    """
    spacing = np.asarray(spacing, dtype=float)
    count = int(instances.max(initial=0))
    structures = _surfaces(organs, spacing, anatomy) if count and organs is not None else {}
    rows = []
    for number, box in enumerate(ndimage.find_objects(instances.astype(np.int32)), start=1):
        if box is None:
            continue
        node = instances[box] == number
        voxels = np.argwhere(node)
        corner = np.array([side.start for side in box])
        center = voxels.mean(0)
        middle = voxels[np.argmin((((voxels - center) * spacing) ** 2).sum(1))] + corner
        distances = _distances(middle, spacing, organs, structures)
        z, y, x = (center + corner) * spacing
        rows.append(
            {
                "instance": number,
                "volume_mm3": len(voxels) * float(spacing.prod()),
                "short_axis_mm": short_axis_mm(node, spacing),
                "x": float(x + origin[0]),
                "y": float(y + origin[1]),
                "z": float(z + origin[2]),
                **assign(distances, anatomy["stations"] if distances else {}),
            }
        )
    return rows


def _surfaces(organs, spacing, anatomy):
    """{structure: (label, tree of its border voxels in mm)}, for queries of the nearest one."""
    surfaces = {}
    boxes = ndimage.find_objects(organs)
    for structure in anatomy["ranges_mm"]:
        label = anatomy["labels"][structure]
        if label > len(boxes) or boxes[label - 1] is None:
            continue
        # One voxel larger, so that the structure's border shows; the volume's edge is not a border.
        grown = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in boxes[label - 1])
        organ = organs[grown] == label
        border = organ & ~ndimage.binary_erosion(organ, np.ones((3, 3, 3)), border_value=1)
        voxels = np.argwhere(border) + [side.start for side in grown]
        surfaces[structure] = (label, cKDTree(voxels * spacing))
    return surfaces


def _distances(voxel, spacing, organs, structures):
    """{structure: signed distance of a voxel to its surface, mm, negative inside}."""
    distances = {}
    for structure, (label, surface) in structures.items():
        distance = float(surface.query(voxel * spacing)[0])
        distances[structure] = -distance if organs[tuple(voxel)] == label else distance
    return distances
