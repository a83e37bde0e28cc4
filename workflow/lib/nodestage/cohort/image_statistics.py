"""A few numbers on one examination, by which it is compared with those that a model learned from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nodestage.cohort.image_quality import phase_contrast
from nodestage.core.names import PHASES

SOFT_HU = (-150, 250)  # between bone and lung, where a difference of neighbours is mostly noise
MAD = 1.4826  # median absolute deviation to SD, of a normal distribution

COLUMNS = (
    "slice_mm",
    "pixel_mm",
    "noise_hu",
    "body_hu",
    "aorta_arterial_hu",
    "aorta_venous_hu",
    "portal_arterial_hu",
    "portal_venous_hu",
    "similarity",
    "organ_ml",
    "tumor_ml",
)
"""Keys of `image_statistics`; `statistics/reference.yaml` has their words."""


@dataclass(frozen=True)
class Scan:
    """An examination on the study grid.

    Attributes
    ----------
    arterial, venous : int16 HU (z, y, x), the arterial phase registered
    labels : organ label map (z, y, x)
    tumor : mask (z, y, x)
    spacing : (z, y, x), mm
    """

    arterial: np.ndarray
    venous: np.ndarray
    labels: np.ndarray
    tumor: np.ndarray
    spacing: tuple[float, ...]


def image_statistics(
    scan: Scan,
    anatomy: Mapping[str, Any],
    intake: Mapping[str, Mapping[str, Any]],
    registration: Mapping[str, Any],
) -> dict[str, float]:
    """Numbers on scanner, timing of contrast medium, registration and anatomy of one examination.

    Parameters
    ----------
    scan : Scan
    anatomy : `config/anatomy.yaml` or the study's file: its `labels` and `tumor_organ`
    intake : {phase: record of the intake}
    registration : record of the registration; where one phase is used for both, the arterial
        numbers and the similarity are undefined

    Returns
    -------
    {column of `COLUMNS`: number}, NaN where it is undefined. `slice_mm`, `pixel_mm` and `body_hu` are those of the venous
    phase as it came, `noise_hu` of the venous phase on the study grid.
    """
    quality = (intake.get("venous") or intake["arterial"])["quality"]
    vessels = phase_contrast(scan.arterial, scan.venous, scan.labels, anatomy["labels"])
    organ = anatomy["labels"][anatomy["tumor_organ"]]
    ml = float(np.prod(scan.spacing)) / 1000
    values = {
        "slice_mm": quality["spacing_mm"][0],
        "pixel_mm": quality["spacing_mm"][1],
        "noise_hu": noise_hu(scan.venous),
        "body_hu": quality["hu_mean_body"],
        "similarity": (registration.get("similarity") or {}).get("after"),
        "organ_ml": float((scan.labels == organ).sum()) * ml or None,
        "tumor_ml": float((scan.tumor > 0).sum()) * ml,
    }
    values |= {
        f"{vessel}_{phase}_hu": vessels[f"{vessel}_{phase}"]
        for vessel in ("aorta", "portal")
        for phase in PHASES
    }
    alone = registration.get("substituted")
    if alone:
        absent = [phase for phase in PHASES if phase != alone]
        values |= {key: None for key in values if any(phase in key for phase in absent)}
        values["similarity"] = None
    return {c: np.nan if values[c] is None else float(values[c]) for c in COLUMNS}


def noise_hu(image: np.ndarray) -> float:
    """SD of the noise, HU: from differences of neighbours in a row (z, y, x), both in soft tissue.

    The median absolute difference does not see edges, which are few; NaN without soft tissue.
    """
    left, right = (part.astype(np.int32) for part in (image[..., :-1], image[..., 1:]))
    low, high = SOFT_HU
    soft = (left > low) & (left < high) & (right > low) & (right < high)
    if not soft.any():
        return float("nan")
    return float(MAD * np.median(np.abs(left - right)[soft]) / np.sqrt(2))
