"""The file that a hospital sends back: plain text, of which a person can read every line.

Lines that begin with # describe it; a tab-separated table follows. It holds `rows`, one per
patient, or `summaries`, one per method and metric. The columns and values that it may hold are
listed here, and nothing else is written or read: no code, date, path, image, or further column of
the sample sheet, and no text but the sentences of `REASONS`. It doesn't promise that nobody who has
a hospital's prediction tables could find a patient by a score in it.
"""

from nodestage.core.names import MAIN_METRICS
from nodestage.core.reasons import SENTENCES

ROWS, SUMMARIES = "rows", "summaries"
HEAD = {
    "nodestage": "version that scored",
    "bundle": "SHA-256 of the manifest of the bundle that scored",
    "changed_code": "scoring steps whose code was not that of the bundle",
    "holds": "rows, or summaries",
    "patients": "patients whose lymph-node status is known",
    "positives": "those of them with metastasis",
    "status_unknown": "patients left out because their status is unknown",
    "substituted": "patients with one phase, used in place of both",
    "min_cell": "summaries: a method with fewer scored patients of a class has no numbers",
    "organs": "organ masks: predicted or given",
    "tumor": "tumor masks: predicted or given",
}
REFUSED = "refused"
"""Key of the one line of a file that holds nothing, since a class has too few patients."""

PARTS = ("score", "probability", "call", "reason")
"""What a row holds of each method, in columns `{method}.{part}`."""

METRICS = MAIN_METRICS
ESTIMATES = (
    "estimate",
    "low",
    "high",
    "low_delong",
    "high_delong",
    "low_exact",
    "high_exact",
    "se",
    "worst_case",
    "all_patients",
)
COUNTS = ("n", "positives", "n_all")
SUMMARY_COLUMNS = ("method", "metric", *ESTIMATES, *COUNTS)

REASONS = {
    code: SENTENCES[code]
    for code in (
        "arterial_missing",
        "venous_missing",
        "no_organ_mask",
        "no_ct_report",
        "no_tumor",
        "no_tumor_or_pancreas",
        "no_tumor_or_organ",
        "no_tumor_for_radiomics",
        "registration_failed",
        "mask_too_small",
        "threshold_not_frozen",
        "kept_at_hospital",
    )
}
"""{code: sentence} of the reasons that a file may give; any other stays at the hospital."""


def columns(methods):
    """The columns of a file with one row per patient."""
    parts = [f"{method}.{part}" for method in methods for part in PARTS]
    return ["number", "metastasis", *parts]
