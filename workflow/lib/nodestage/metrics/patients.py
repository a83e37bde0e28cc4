"""Rates over patients: the mean of each patient's, and those of pooled counts."""

import numpy as np

from nodestage.metrics import counts

MEASURES = ("dice", "recall", "precision", "f", "instance_recall", "instance_precision")


def patient_mean(rows, measures=MEASURES):
    """Means over patients of per-patient rates; undefined values are left out and counted.

    Parameters
    ----------
    rows : per-patient rows of one class and variant (see `evaluate_lymph_nodes`)

    Returns
    -------
    dict: each measure's mean (None when no patient defines it) and `n_{measure}`, the number
    of patients in it; `n`, all patients; `both_empty`, those left out altogether
    """
    result = {"n": len(rows), "both_empty": sum(row["empty"] == "both" for row in rows)}
    for measure in measures:
        values = [row[measure] for row in rows if row[measure] is not None]
        result[measure] = float(np.mean(values)) if values else None
        result[f"n_{measure}"] = len(values)
    return result


def pooled(rows):
    """The same rates from counts summed over patients: large patients weigh more."""
    total = {
        key: sum(int(row[key]) for row in rows)
        for key in ("tp", "fp", "fn", "voxel_tp", "voxel_fp", "voxel_fn")
    }
    voxels, matches = ([total[f"{of}{key}"] for key in ("tp", "fp", "fn")] for of in ("voxel_", ""))
    return total | {"n": len(rows)} | counts.measures(voxels, matches)
