"""What the lymph-node networks see of one patient."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Images:
    """Both phases and the attention map of one patient, on the study grid.

    Attributes
    ----------
    arterial, venous : int16 arrays (z, y, x), HU
    attention : float array (z, y, x) in [0, 1]
    spacing : (z, y, x), mm
    patient : code, for messages
    """

    arterial: np.ndarray
    venous: np.ndarray
    attention: np.ndarray
    spacing: tuple[float, float, float]
    patient: str = "the image"
