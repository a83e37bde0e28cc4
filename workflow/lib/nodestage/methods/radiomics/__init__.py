"""Radiomics of the tumor: 1688 PyRadiomics features a phase (Section IV-E).

PyRadiomics is imported when features are computed, not when their table is read.
"""

from nodestage.methods.radiomics.common import COUNT, PHASES, Unscorable
from nodestage.methods.radiomics.table import read, write

__all__ = ["COUNT", "PHASES", "Unscorable", "features", "of_patient", "read", "write"]


def features(image, mask, spacing):
    """{name: float}, 1688 of them, of one phase: `extraction.features`.

    image : (z, y, x), HU; mask : (z, y, x), tumor where > 0; spacing : (z, y, x), mm
    """
    from nodestage.methods.radiomics import extraction

    return extraction.features(image, mask, spacing)


def of_patient(phases, mask, spacing, source="tumor"):
    """Those of both phases, or why there are none: `patient.of_patient`.

    phases : (2, z, y, x), HU, arterial and venous; mask and spacing as in `features`
    """
    from nodestage.methods.radiomics import patient

    return patient.of_patient(phases, mask, spacing, source)
