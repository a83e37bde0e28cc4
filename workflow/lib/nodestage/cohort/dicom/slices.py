"""How a series' slices lie: whether evenly, and where in the patient."""

import numpy as np

from nodestage.cohort.faults import IntakeError, some

EVEN = 0.1  # of the spacing; a missing slice gives at least 0.4
ROUNDED_MM = 0.06  # positions written with one decimal
SIDEWAYS_MM = 0.1


def affine(series, facts):
    """The affine (indices (i, j, k) to LPS mm) of a series whose slices lie evenly.

    Raises on gaps, uneven spacing and slices shifted sideways. The step from slice to
    slice comes from the positions; a tilted gantry shows in it, whatever the tilt tag records.
    """
    frames, along = series.frames, series.positions_mm()
    _check_even(along)
    positions = np.array([frame.position for frame in frames])
    # A line through all positions: rounding in the first or last one does not count.
    number = np.arange(len(frames))
    vector, start = np.polyfit(number, positions, 1)
    off = positions - start - np.outer(number, vector)
    sideways = np.linalg.norm(off - np.outer(off @ series.normal, series.normal), axis=1)
    if sideways.max() > SIDEWAYS_MM:
        worst = int(sideways.argmax())
        raise IntakeError(
            f"slice {worst + 1} of {len(frames)} (z = {along[worst]:.2f} mm) lies {sideways[worst]:.1f} mm "
            "beside the line through all. Export the series again"
        )
    tilt = float(
        np.degrees(
            np.arccos(np.clip(np.dot(vector, series.normal) / np.linalg.norm(vector), -1, 1))
        )
    )
    if tilt > 0.05:
        facts["gantry_tilt_deg"] = round(tilt, 2)
    row, column = np.reshape(frames[0].orientation, (2, 3))
    matrix = np.eye(4)
    matrix[:3, 0] = row / np.linalg.norm(row) * frames[0].spacing[1]
    matrix[:3, 1] = column / np.linalg.norm(column) * frames[0].spacing[0]
    matrix[:3, 2] = vector
    matrix[:3, 3] = start
    return matrix


def _check_even(along):
    """Raise unless the positions (ascending, mm) are evenly spaced but for rounding."""
    steps = np.diff(along)
    step = float(np.median(steps))
    number = np.arange(len(along))
    slope, start = np.polyfit(number, along, 1)
    off = np.abs(along - start - slope * number)
    slack = min(max(EVEN * step, ROUNDED_MM), 0.2 * step)
    if off.max() <= slack and np.abs(steps - slope).max() <= 2 * slack:
        return
    odd = np.flatnonzero(np.abs(steps - step) > 2 * slack)
    whole = np.abs(steps / step - np.rint(steps / step)) < 0.2
    if len(odd) and whole[odd].all() and len(odd) <= 0.25 * len(steps):
        missing = np.rint(steps[odd] / step).astype(int) - 1
        where = some(
            f"{n} between z = {along[i]:.2f} and {along[i + 1]:.2f} mm"
            for i, n in zip(odd, missing, strict=True)
        )
        raise IntakeError(
            f"{int(missing.sum())} {'slice' if missing.sum() == 1 else 'slices'} missing: {where} "
            f"(slices are {step:.4g} mm apart). Export the series again"
        )
    turn = int(odd[0]) if len(odd) else int(off.argmax())
    raise IntakeError(
        f"uneven slices: {steps.min():.4g} to {steps.max():.4g} mm apart (expected {step:.4g} mm), the first odd "
        f"step at z = {along[turn]:.2f} mm. Export a series with one spacing, or the two parts apart"
    )
