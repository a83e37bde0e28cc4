"""Methods: every way to a patient's score, each one row of the comparison tables."""
