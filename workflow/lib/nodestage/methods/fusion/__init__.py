"""The patient's status from the tumor, the lymph nodes, and both (Section III-B)."""
