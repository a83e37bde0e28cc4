"""How a DICOM series is named where Snakemake keeps the name: without identifying text."""

import hashlib
import re

PLAIN_SERIES = re.compile(r"#?[0-9]{1,6}")
DIGEST = "sha256:"


def without_text(series):
    """A `series` cell as Snakemake may keep it: a number as it is, a UID or a description as its digest."""
    if not series or PLAIN_SERIES.fullmatch(series):
        return series
    return DIGEST + hashlib.sha256(series.strip().lower().encode()).hexdigest()
