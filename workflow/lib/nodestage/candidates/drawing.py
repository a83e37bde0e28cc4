"""Annotated nodes with simulated other outlines, as another reader or a network might draw them."""

import numpy as np
from scipy import ndimage

from nodestage.lymph_nodes.appearance import boxes

MARGIN = 3  # voxels around a node that a new mask may reach
SMOOTHING = (0.5, 1.0)  # voxels
SHIFT = 0.5  # SD, voxels
THRESHOLD = (0.15, 0.6)  # of the smoothed mask: a low one draws a larger node
ROUGHNESS = 0.04  # SD of the noise that moves the outline


def redrawn(nodes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Each node with another outline: shifted by a part of a voxel, larger or smaller, uneven.

    Parameters
    ----------
    nodes : integer array (z, y, x), numbered from 1
    random : draws the outlines

    Returns
    -------
    array like `nodes`; where nodes overlap now, the later one. A node that would vanish keeps its
    mask, one that falls apart its largest part.
    """
    drawn = np.zeros_like(nodes)
    for number, box in boxes(nodes, [MARGIN] * nodes.ndim):
        drawn[box][_outline(nodes[box] == number, random)] = number
    return drawn


def _outline(node, random):
    soft = ndimage.gaussian_filter(node.astype(float), random.uniform(*SMOOTHING))
    soft = ndimage.shift(soft, random.normal(0, SHIFT, 3), order=1)
    rough = ndimage.gaussian_filter(random.standard_normal(node.shape), 1)
    parts, count = ndimage.label(
        soft + ROUGHNESS * rough / rough.std() > random.uniform(*THRESHOLD)
    )
    if not count:
        return node
    return parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
