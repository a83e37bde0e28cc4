"""Positive nodes in the discovery center's masks, from which alone the networks learn."""

import numpy as np

from nodestage.cohort.faults import IntakeError, some
from nodestage.metrics.instances import label_instances

NEGATIVE, POSITIVE = "1", "2"
CLASSES = {1: "negative", 2: "positive"}
COLUMNS = ["patient", "class", "volume_mm3"]


def summary(records, metastasis, center=""):
    """Count what was drawn; raise an error where no patient has a positive node.

    Parameters
    ----------
    records : {patient: record of the patient's node mask, see `masks.read_mask_with_record`}
    metastasis : {patient: 0 or 1}
    center : for the message

    Returns
    -------
    dict: `masks`, `empty`, `with_negative`, `with_positive` (patients), `positive_patients_without`
    (codes of patients with metastasis whose nodes are all drawn as negative; sorted)
    """
    drawn = {p: set(record["volume_mm3_as_drawn"]) for p, record in records.items()}
    counts = {
        "masks": len(drawn),
        "empty": sum(not labels for labels in drawn.values()),
        "with_negative": sum(NEGATIVE in labels for labels in drawn.values()),
        "with_positive": sum(POSITIVE in labels for labels in drawn.values()),
        "positive_patients_without": sorted(
            p for p, labels in drawn.items() if metastasis.get(p) == 1 and labels == {NEGATIVE}
        ),
    }
    if drawn and not counts["with_positive"]:
        raise IntakeError(
            f"{center}: none of {len(drawn)} node masks holds a positive node: "
            f"{counts['with_negative']} hold the value 1 (negative) alone, {counts['empty']} are empty. "
            "What a positive node looks like can't be learned. Draw negative nodes as 1 and positive nodes as 2, or "
            "translate another tool's values by `label_system: {lymph_nodes: {negative: …, positive: …}}`."
        )
    return counts


def warnings(counts):
    """Sentences on a summary for the log."""
    codes = counts["positive_patients_without"]
    if not codes:
        return []
    return [
        f"{len(codes)} patients have metastasis and drawn nodes, but none drawn as positive (2): "
        f"{some(codes)}. Right where the positive ones can't be seen; else correct the masks."
    ]


def volumes_of_nodes(patient, mask, spacing):
    """Volume of each node of a drawn mask.

    Parameters
    ----------
    patient : code
    mask : integer array (z, y, x), 0 background, 1 negative, 2 positive
    spacing : (z, y, x), mm

    Returns
    -------
    list of dicts with `COLUMNS`, negative nodes first; a node is a 26-connected piece of its class
    """
    voxel = float(np.prod(spacing))
    rows = []
    for label, name in CLASSES.items():
        voxels = np.bincount(label_instances(mask == label).ravel())[1:]
        rows += [
            {"patient": patient, "class": name, "volume_mm3": round(int(n) * voxel, 3)}
            for n in voxels
        ]
    return rows
