"""Rows of a sample sheet, and its centers."""

from nodestage import cohort

CENTERS = {
    "alpha": {"role": "discovery", "mask_phase": "venous"},
    "beta": {"role": "external"},
    "gamma": {"role": "auxiliary", "mask_phase": "arterial"},
}


def row(patient, center="alpha", **more):
    found = dict.fromkeys(cohort.COLUMNS, "")
    found |= {
        "patient": patient,
        "center": center,
        "venous": f"{patient}_v.nii.gz",
        "metastasis": "1",
    }
    if center == "alpha":
        found["lymph_nodes"] = f"{patient}_n.nii.gz"
    return found | more
