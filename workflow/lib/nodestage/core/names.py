"""Names that several parts of the library share, in their order. Nothing is imported here."""

PHASES = ("arterial", "venous")
"""The two phases of a CT, as the sample sheet names their columns."""

MAIN_METRICS = ("balanced_accuracy", "auc", "accuracy", "sensitivity", "specificity")
"""The metrics of Tables VI and VII."""
