"""Dice, recall and precision from counts of voxels or instances, by the rules for empty masks."""

from typing import NamedTuple


class Matches(NamedTuple):
    """Numbers of instances: true positives, false positives, missed."""

    tp: int
    fp: int
    fn: int


class Overlap(NamedTuple):
    """Shares between 0 and 1, None where undefined."""

    dice: float | None
    recall: float | None
    precision: float | None


def rates(tp, fp, fn):
    """Dice (or F), recall and precision from counts, by the rules for empty masks.

    Parameters
    ----------
    tp, fp, fn : numbers of voxels or instances

    Returns
    -------
    Overlap
    """
    tp, fp, fn = int(tp), int(fp), int(fn)
    if tp + fp + fn == 0:
        return Overlap(None, None, None)
    truth, predicted = tp + fn, tp + fp
    return Overlap(
        2 * tp / (truth + predicted),
        tp / truth if truth else None,
        tp / predicted if predicted else 0.0,
    )


def measures(voxels, matches):
    """{measure: share or None} of a mask, from its (tp, fp, fn) of voxels and of instances."""
    by_voxel, by_instance = rates(*voxels), rates(*matches)
    return {
        "dice": by_voxel.dice,
        "recall": by_voxel.recall,
        "precision": by_voxel.precision,
        "f": by_instance.dice,
        "instance_recall": by_instance.recall,
        "instance_precision": by_instance.precision,
    }
