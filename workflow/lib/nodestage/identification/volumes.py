"""The one number that the lymph nodes of a patient give the patient-level models."""

from nodestage import tables


def volume_feature(rows, how="largest", threshold=0.5):
    """Volume in mm³ of a patient's positive lymph nodes; 0 when there is none.

    Parameters
    ----------
    rows : the patient's rows of an instance table, with `volume_mm3` and `p_positive`
    how : largest (the paper's), mean or total
    threshold : float, an instance is positive from this probability on
    """
    volumes = [
        tables.number(row["volume_mm3"])
        for row in rows
        if tables.number(row["p_positive"]) >= threshold
    ]
    if how == "largest":
        return max(volumes, default=0.0)
    if how == "total":
        return sum(volumes, 0.0)
    if how == "mean":
        return sum(volumes) / len(volumes) if volumes else 0.0
    raise ValueError(f"`how` is {how!r}, wanted largest, mean or total")
