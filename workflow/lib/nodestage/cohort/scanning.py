"""How a patient was scanned, for subgroups: slices, pixels, kernel, and when the arterial phase was taken."""

import math
from collections.abc import Mapping
from typing import Any

COLUMNS = ("slice_mm", "thickness_mm", "pixel_mm", "kernel", "portal_arterial_hu")


def of_patient(
    records: Mapping[str, Mapping[str, Any]], contrast: Mapping[str, Any]
) -> dict[str, Any]:
    """Columns of one patient, None where unknown.

    Parameters
    ----------
    records : {phase: record of intake}; the venous phase counts, whose grid the study has, else the other
    contrast : of `image_quality.phase_contrast`, or empty

    Returns
    -------
    dict of `COLUMNS`: distance of slices, slice thickness (of the header) and side of a pixel in mm;
    kernel (smooth, medium or sharp); median HU of the portal vein in the arterial phase, which enhances
    later than the aorta
    """
    record = records.get("venous") or records.get("arterial") or {}
    z, _, x = record.get("spacing_mm") or (None, None, None)
    thickness = record.get("slice_thickness_mm")
    return {
        "slice_mm": z,
        "thickness_mm": thickness if thickness is not None and math.isfinite(thickness) else None,
        "pixel_mm": x,
        "kernel": record.get("kernel") or None,
        "portal_arterial_hu": contrast.get("portal_arterial"),
    }


def of_center(
    intake: Mapping[str, Mapping[str, Any]], contrast: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """{patient: columns} of a center's patients with a record: {patient: {phase: record}}, {patient: contrast}."""
    return {p: of_patient(records, contrast.get(p, {})) for p, records in intake.items()}
