"""A patient's radiomics: both phases, or the reason why there are none."""

import numpy as np

from nodestage.core import reasons
from nodestage.methods.radiomics.common import PHASES, Unscorable
from nodestage.methods.radiomics.extraction import features


def of_patient(phases, mask, spacing, source="tumor"):
    """Features of both phases under one mask.

    Parameters
    ----------
    phases : (2, z, y, x), HU, arterial and venous on the same grid
    mask : (z, y, x), tumor where > 0
    spacing : (z, y, x), mm
    source : what the mask shows; radiomics describe a tumor and nothing else

    Returns
    -------
    values : {"arterial": {name: float}, "venous": {name: float}}, or {}
    reason : "" or why there are none
    """
    if source != "tumor":
        return {}, reasons.sentence("no_tumor_for_radiomics")
    try:
        first, second = phases
        values = {PHASES[0]: features(first, mask, spacing)}
        # Where one phase is used for both, its features are computed once.
        same = np.array_equal(first, second)
        values[PHASES[1]] = dict(values[PHASES[0]]) if same else features(second, mask, spacing)
    except Unscorable as error:
        return {}, str(error)
    return values, ""
