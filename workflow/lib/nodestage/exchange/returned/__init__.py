"""The file that a hospital sends back: plain text, of which a person can read every line.

Lines that begin with # say what it is; a tab-separated table follows. It holds `rows`, one a
patient, or `summaries`, one a method and metric. What may stand in it is listed here, and nothing
else is written or taken in: no code, date, path, image, or further column of the sample sheet, and
no text but the sentences of `REASONS`. It doesn't promise that nobody who has a hospital's own
prediction tables could find a patient by a score in it.
"""

ROWS, SUMMARIES = "rows", "summaries"
HEAD = {
    "nodestage": "version that scored",
    "bundle": "SHA-256 of the manifest of the bundle that scored",
    "changed_code": "scoring steps whose code was not that of the bundle",
    "holds": "rows, or summaries",
    "patients": "patients whose lymph-node status is known",
    "positives": "those of them with metastasis",
    "status_unknown": "patients who stay out, their status being unknown",
    "substituted": "patients in whom one phase stands for both",
    "organs": "organ masks: predicted or given",
    "tumor": "tumor masks: predicted or given",
}
PARTS = ("score", "probability", "call", "reason")
"""What is told of a patient by each method, in columns `{method}.{part}`."""

METRICS = ("balanced_accuracy", "auc", "accuracy", "sensitivity", "specificity")
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

FAILED = "the registration failed"
SMALL = "the tumor mask is too small for radiomics"
NO_THRESHOLD = "no threshold was frozen"
OTHER = "another reason, told at the hospital alone"
REASONS = (
    "arterial phase missing",
    "venous phase missing",
    "no organ mask was given",
    "no CT report of the lymph nodes",
    "no tumor was found",
    "no tumor was found, nor a pancreas to center on",
    "no tumor was found; radiomics need its mask",
    FAILED,
    SMALL,
    NO_THRESHOLD,
    OTHER,
)


def columns(methods):
    """The columns of a file with a row a patient."""
    told = [f"{method}.{part}" for method in methods for part in PARTS]
    return ["number", "metastasis", *told]
