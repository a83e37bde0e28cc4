"""The volume of a patient's positive lymph nodes, as the patient-level models use it."""

from nodestage.core import tables
from nodestage.core.errors import InputError
from nodestage.core.instances import positive_rows

KINDS = ("largest", "mean", "total")


def positive_volumes(rows):
    """Volumes in mm³ of a patient's positive lymph nodes, [] when there is none.

    Parameters
    ----------
    rows : the patient's rows of an instance table, with `volume_mm3` and `p_positive`
    """
    return [tables.number(row["volume_mm3"]) for row in positive_rows(rows)]


def volume_feature(volumes, how="largest"):
    """One volume in mm³ from those of the positive lymph nodes; 0 when there is none.

    Parameters
    ----------
    volumes : list of mm³
    how : largest (the paper's choice), mean or total (which it also tried, Section III-B)
    """
    if how not in KINDS:
        raise InputError(
            f"the setting `volume` of a method is {how!r}; known are {', '.join(KINDS)}."
        )
    if not volumes:
        return 0.0
    total = float(sum(volumes))
    return {"largest": float(max(volumes)), "mean": total / len(volumes), "total": total}[how]
