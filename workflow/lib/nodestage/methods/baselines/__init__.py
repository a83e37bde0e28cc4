"""The methods with which the paper's method is compared (Section IV-E)."""
