"""The two phases of a patient on one study grid."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from nodestage.core import reasons
from nodestage.core.errors import InputError
from nodestage.core.volumes import Volume
from nodestage.registration import bands
from nodestage.registration.deform import register
from nodestage.registration.field import Field, identity
from nodestage.registration.settings import complete

OUTSIDE = -1024  # HU where the arterial phase has no voxel
# Share of the affine's similarity above chance; where the affine is exact already, a little is lost.
MIN_KEPT = 0.95


def to_study_grid(volume: Volume, spacing: Sequence[float]) -> Volume:
    """The volume at `spacing` (z, y, x; mm), int16, over the same part of the patient.

    Coarser axes are averaged (no aliasing), finer ones interpolated linearly. The grid is
    centered on the old one, and as long as it to within half a voxel.
    """
    spacing = tuple(float(s) for s in spacing)
    shape = tuple(
        max(1, round(n * s / t))
        for n, s, t in zip(volume.array.shape, volume.spacing, spacing, strict=True)
    )
    shift = tuple(
        ((n - 1) * s - (m - 1) * t) / 2
        for n, s, m, t in zip(volume.array.shape, volume.spacing, shape, spacing, strict=True)
    )
    if shape == volume.array.shape and np.allclose(spacing, volume.spacing, atol=1e-6):
        return replace(volume, array=_int16(volume.array))
    array = bands.resample(volume.array, volume.spacing, shape, spacing, shift)
    direction = np.reshape(volume.direction, (3, 3))
    origin = np.array(volume.origin) + direction @ np.array(shift[::-1])
    return Volume(_int16(array), spacing, tuple(float(o) for o in origin), volume.direction)


def study_pair(
    phases: Mapping[str, Volume],
    spacing: Sequence[float],
    settings: Mapping | None = None,
    substitute: bool = False,
    patient: str = "",
    threads: int = 1,
) -> tuple[Volume, Volume, Field, dict]:
    """Both phases of a patient on the study grid, as every later stage takes them.

    Parameters
    ----------
    phases : {"arterial": Volume, "venous": Volume}, or one of them where the other may be
        replaced
    spacing : of the study grid, (z, y, x), mm
    substitute : whether the venous phase is used twice where the registration fails

    Returns
    -------
    Volume, Volume : venous, arterial
    Field : from the grid into the arterial phase
    dict : as `align`; `substituted` names the phase that is used as both. Where a failed
        registration is substituted, `failed` is false and `reason` stays.
    """
    grid = to_study_grid(phases.get("venous") or phases["arterial"], spacing)
    if len(phases) == 1:
        still = identity(grid.array.shape, grid.spacing)
        return grid, grid, still, {"failed": False, "reason": "", "substituted": next(iter(phases))}
    arterial, field, record = align(phases["arterial"], grid, settings, patient, threads)
    if record["failed"] and substitute:
        return grid, grid, field, {**record, "failed": False, "substituted": "venous"}
    return grid, arterial, field, record


def align(
    arterial: Volume,
    venous: Volume,
    settings: Mapping | None = None,
    patient: str = "",
    threads: int = 1,
) -> tuple[Volume, Field, dict]:
    """Align the arterial phase with the venous one.

    Parameters
    ----------
    arterial : Volume, any grid
    venous : Volume on the study grid
    settings : dict, any of `settings.FULL`
    patient : code, for messages
    threads : threads to use

    Returns
    -------
    Volume : arterial on the venous grid, int16; -1024 outside its field of view
    Field : from the venous grid into the arterial phase
    dict : similarities, share of the grid that the arterial covers, folded share,
        displacement, and `failed` with a `reason`. A failed registration's volume is
        resampled by position alone, and its field is the identity.

    Raises
    ------
    InputError if the two don't overlap in space
    """
    chosen = complete(settings)
    origin = first_voxel(arterial, venous, patient, "arterial")
    overlap = _overlap(arterial, venous, origin)
    if min(overlap) <= 0:
        axis = "zyx"[int(np.argmin(overlap))]
        raise InputError(
            f"{patient}: arterial and venous don't overlap in space: along {axis} their fields of "
            f"view lie {-min(overlap):.0f} mm apart. Check that both come from the same examination, "
            "or leave `arterial` empty to go on with the venous phase alone."
        )
    still = identity(venous.array.shape, venous.spacing)
    source, source_spacing, at = _not_finer(arterial, venous.spacing, origin)
    warped, known = still.warp_known(source, OUTSIDE, source_spacing, at)
    field = register(
        venous.array, warped, venous.spacing, valid=(None, known), threads=threads, **chosen
    )
    record = _record(field, chosen, float(known.mean()))
    if record["failed"]:
        field = still
    else:
        warped, known = field.warp_known(source, OUTSIDE, source_spacing, at)
    record["valid_share"] = float(known.mean())
    return venous.with_array(_int16(warped)), field, record


def _record(field, chosen, covered):
    """Figures of the registration, and whether it failed."""
    size = np.sqrt((_strided(field) ** 2).sum(axis=-1))
    folded = field.folded()
    stretch = np.linalg.svd(field.affine[:, :3], compute_uv=False)
    quality = field.quality
    record = {
        "similarity": {k: quality[k] for k in ("before", "affine", "after", "chance")},
        "overlap": quality["overlap"],
        "covered_share": covered,
        "folded_share": folded,
        "displacement_mm": {
            "mean": float(size.mean()),
            "p95": float(np.percentile(size, 95)),
            "max": float(size.max()),
        },
        "affine": field.affine.tolist(),
    }
    gain = (quality["after"] - quality["chance"]) / max(1e-6, 1 - quality["chance"])
    faults = []
    if covered < chosen["min_overlap"] or quality["overlap"] < chosen["min_overlap"] / 2:
        faults.append(
            reasons.sentence(
                "registration_overlap",
                share=100 * min(covered, quality["overlap"]),
                minimum=100 * chosen["min_overlap"],
            )
        )
    elif gain < chosen["min_similarity"]:
        faults.append(
            reasons.sentence(
                "registration_by_chance", after=quality["after"], chance=quality["chance"]
            )
        )
    if quality["after"] - quality["chance"] < MIN_KEPT * (quality["affine"] - quality["chance"]):
        faults.append(
            reasons.sentence(
                "registration_worse_than_affine", after=quality["after"], affine=quality["affine"]
            )
        )
    if folded > chosen["max_folded"]:
        faults.append(reasons.sentence("registration_folded", percent=100 * folded))
    if record["displacement_mm"]["p95"] > chosen["max_displacement_mm"]:
        faults.append(
            reasons.sentence("registration_displacement", mm=record["displacement_mm"]["p95"])
        )
    if stretch.max() > 1.3 or stretch.min() < 0.7 or np.linalg.det(field.affine[:, :3]) <= 0:
        faults.append(
            reasons.sentence("registration_affine", low=stretch.min(), high=stretch.max())
        )
    record["failed"] = bool(faults)
    record["reason"] = "; ".join(faults)
    return record


def _strided(field):
    """Displacement (n, 3) at every fourth voxel."""
    axes = [np.arange(0, n, 4) * s for n, s in zip(field.shape, field.spacing, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return field.move(points) - points


def first_voxel(volume: Volume, grid: Volume, patient: str, name: str) -> np.ndarray:
    """Position of the volume's first voxel from the grid's first, mm, (z, y, x)."""
    if not np.allclose(volume.direction, grid.direction, atol=1e-4):
        raise InputError(
            f"{patient}: {name} and the study grid have different axes ({_axes(volume)} and "
            f"{_axes(grid)}). Bring both to one orientation, as the cohort stage does."
        )
    direction = np.reshape(grid.direction, (3, 3))
    between = direction.T @ (np.array(volume.origin) - np.array(grid.origin))
    return between[::-1].copy()


def _axes(volume):
    return " ".join(f"{d:.3f}" for d in volume.direction)


def _overlap(volume, grid, origin):
    """Length (z, y, x), mm, that both fields of view share; below 0 the gap between them."""
    lengths = []
    for axis in range(3):
        a, b = volume.spacing[axis], grid.spacing[axis]
        start = max(origin[axis] - a / 2, -b / 2)
        end = min(
            origin[axis] + (volume.array.shape[axis] - 0.5) * a, (grid.array.shape[axis] - 0.5) * b
        )
        lengths.append(end - start)
    return lengths


def _not_finer(volume, spacing, origin):
    """Array, spacing and first position, averaged along axes finer than `spacing`.

    Axes as coarse as the grid or coarser stay as they are, to be interpolated only once.
    """
    coarser = [
        max(a, b) if b > 1.05 * a else a for a, b in zip(volume.spacing, spacing, strict=True)
    ]
    if np.allclose(coarser, volume.spacing):
        return volume.array, tuple(volume.spacing), tuple(origin)
    small = to_study_grid(volume, coarser)
    shift = [
        ((n - 1) * s - (m - 1) * t) / 2
        for n, s, m, t in zip(
            volume.array.shape, volume.spacing, small.array.shape, small.spacing, strict=True
        )
    ]
    return small.array, small.spacing, tuple(np.array(origin) + shift)


def _int16(array):
    if array.dtype == np.int16:
        return array
    return np.clip(np.rint(array), -32768, 32767).astype(np.int16)
