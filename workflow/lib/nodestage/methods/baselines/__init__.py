"""The methods that the paper's own is compared with (Section IV-E)."""
