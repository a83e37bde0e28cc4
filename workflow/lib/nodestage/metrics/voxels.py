"""How much of two masks is shared, voxel by voxel."""

import numpy as np

from nodestage.metrics.arrays import as_masks
from nodestage.metrics.counts import Matches, rates


def voxel_counts(truth, prediction):
    """True positive, false positive and false negative voxels of two masks (z, y, x)."""
    truth, prediction = as_masks(truth, prediction)
    both = int(np.count_nonzero(truth & prediction))
    return Matches(
        both, int(np.count_nonzero(prediction)) - both, int(np.count_nonzero(truth)) - both
    )


def overlap(truth, prediction):
    """Dice, recall and precision of two masks (z, y, x), each None where undefined."""
    return rates(*voxel_counts(truth, prediction))


def dice(truth, prediction):
    """Dice of two masks (z, y, x); None when both are empty."""
    return overlap(truth, prediction).dice


def recall(truth, prediction):
    """Share of the true voxels that the prediction has; None when the truth is empty."""
    return overlap(truth, prediction).recall


def precision(truth, prediction):
    """Share of the predicted voxels that are true; 0 when only the prediction is empty."""
    return overlap(truth, prediction).precision
