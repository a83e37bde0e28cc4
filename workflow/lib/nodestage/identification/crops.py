"""Crops around lymph-node instances, as an identification network sees them."""

import numpy as np
from scipy import ndimage

from nodestage.lymph_nodes.variants import SMALLEST_ATTENTION
from nodestage.nnunet import prediction


def crops(images, instances, size):
    """A crop around the center of each instance, filled with 0 beyond the volume.

    Parameters
    ----------
    images : float array (channels, z, y, x), normalised; 0 is what the networks see as outside
    instances : integer array (z, y, x), numbered from 1 without gaps
    size : (z, y, x), voxels of the crop

    Returns
    -------
    float32 array (instances, channels, z, y, x), and bool array (instances, z, y, x) of where
    the instance lies. An instance larger than its crop is cut; it keeps its central part.
    """
    size = np.asarray(size)
    boxes = ndimage.find_objects(np.asarray(instances, dtype=np.int32))
    pictures = np.zeros((len(boxes), len(images), *size), dtype=np.float32)
    inside = np.zeros((len(boxes), *size), dtype=bool)
    for i, box in enumerate(boxes):
        voxels = np.argwhere(instances[box] == i + 1)
        center = voxels.mean(0) + [side.start for side in box]
        low = np.round(center - (size - 1) / 2).astype(int)
        source, target = _overlap(low, size, instances.shape)
        pictures[(i, slice(None), *target)] = images[(slice(None), *source)]
        inside[(i, *target)] = instances[source] == i + 1
        if not inside[i].any():  # a crescent, whose center lies outside it
            inside[(i, *(size // 2))] = True
    return pictures, inside


def normalised(channels, plans):
    """Arterial, venous and map as the segmentation networks saw them, float32 (3, z, y, x)."""
    *images, attention = channels
    attention = np.where(attention < SMALLEST_ATTENTION, 0, attention)
    return prediction.normalise([*images, attention], plans)


def positives_of(mask, instances):
    """Whether each annotated instance is positive (label 2), bool (n,), in their order.

    mask : 0, 1, 2 and instances : numbered from 1, both (z, y, x)
    """
    values = np.zeros(int(instances.max(initial=0)) + 1, dtype=np.uint8)
    values[instances] = mask
    return values[1:] == 2


def _overlap(low, size, shape):
    """Slices of the volume and of the crop, where a crop that starts at `low` meets the volume."""
    source, target = [], []
    for start, length, end in zip(low, size, shape, strict=True):
        first, last = max(start, 0), max(min(start + length, end), max(start, 0))
        source.append(slice(first, last))
        target.append(slice(first - start, last - start))
    return tuple(source), tuple(target)
