"""Stored numbers to Hounsfield units, or a reason why they aren't."""

import numpy as np

from nodestage.cohort.faults import IntakeError
from nodestage.cohort.grids import AIR

HIGHEST = 32767  # int16; metal beyond it is cut and counted


def to_hu(stored, facts, hu_offset=0):
    """int16 HU from stored values; counts go into `facts`.

    What lies below −1024 is padding by any scanner's convention and becomes air
    here, before anything is resampled. Images that are not in HU are refused.
    """
    if stored.dtype.kind == "f":
        bad = stored.size - int(np.count_nonzero(np.isfinite(stored)))
        if bad:
            raise IntakeError(
                f"{bad} of {stored.size} voxels are NaN or infinite. Convert the original series again, "
                "or set them to −1024 if they lie outside the field of view"
            )
        if not np.can_cast(stored.dtype, np.float32) and abs(stored).max() > 1e9:
            raise IntakeError(
                f"values up to {abs(stored).max():.3g}. Give the CT in Hounsfield units"
            )
        _check_unit_range(stored)
        stored = np.rint(stored)
    if hu_offset:
        stored = stored.astype(np.int32) + int(hu_offset)
        facts["hu_offset"] = int(hu_offset)
    _check_shift(stored)
    low = int(np.count_nonzero(stored < AIR))
    high = int(np.count_nonzero(stored > HIGHEST))
    if low:
        facts["padding_voxels"] = facts.get("padding_voxels", 0) + low
    if high:
        facts["cut_at_32767_voxels"] = high
    hu = np.clip(stored, AIR, HIGHEST).astype(np.int16)
    _check_mask_like(hu)
    return hu


def _check_unit_range(stored):
    low, high = float(stored.min()), float(stored.max())
    if high - low <= 2 and not (low == high):
        raise IntakeError(
            f"values from {low:.3g} to {high:.3g}: scaled to a unit range, not Hounsfield units. "
            "Convert the original series again, without normalisation"
        )


def _share(counts, low, high):
    return float(counts[low + 4096 : high + 4096].sum())


def _check_shift(stored):
    """Soft tissue near 1064 with no air below: the rescale intercept was lost; near −984 it was applied twice."""
    thin = stored[:: max(1, stored.shape[0] // 64), ::2, ::2]
    counts = (
        np.bincount(np.clip(thin, -4096, 8191).astype(np.int32).ravel() + 4096, minlength=12288)
        / thin.size
    )
    tissue, above = _share(counts, -150, 250), _share(counts, 874, 1274)
    if counts[: 4096 - 300].sum() == 0 and above > 0.15 and above > 2 * _share(counts, 150, 874):
        raise IntakeError(
            f"{above:.0%} of its voxels lie near 1064 and none below −300: Hounsfield units shifted by 1024. "
            "Convert it again with the rescale intercept, or set `hu_offset: -1024` for its center"
        )
    if tissue < 0.01 and _share(counts, -1174, -774) > 0.15 and _share(counts, -2124, -1924) > 0.05:
        raise IntakeError(
            "its air lies near −2024 and its tissue near −984: Hounsfield units shifted by −1024. "
            "Convert it again (the rescale intercept was applied twice), or set `hu_offset: 1024` for its center"
        )


def _check_mask_like(hu):
    low, high = int(hu.min()), int(hu.max())
    if low < 0 or high > 255:
        return
    distinct = int(np.count_nonzero(np.bincount(hu.ravel(), minlength=256)))
    if distinct <= 64:
        raise IntakeError(
            f"{distinct} distinct values from {low} to {high}: a mask or a picture, not a CT in Hounsfield units. "
            "Were image and mask exchanged in the sheet?"
        )
