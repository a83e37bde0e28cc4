"""The pathological N stage of the sample sheet as a number."""

from collections.abc import Mapping


def of_row(row: Mapping[str, str]) -> int | None:
    """0, 1 or 2 for N0, N1 or N2; None where it is not known.

    row : of the sheet, with `pn_stage` and `metastasis`; a patient without metastasis is N0
    """
    stage = (row.get("pn_stage") or "").strip().upper().removeprefix("P")
    if stage in ("N0", "N1", "N2"):
        return int(stage[1])
    return 0 if row.get("metastasis") == "0" else None
