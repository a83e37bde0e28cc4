"""Radiomics of the tumor: 1688 PyRadiomics features a phase (Section IV-E).

PyRadiomics is imported when features are computed, not when their table is read.
"""

from nodestage.radiomics.common import COUNT, PHASES, Unscorable
from nodestage.radiomics.table import read, write

__all__ = ["COUNT", "PHASES", "Unscorable", "features", "of_patient", "read", "write"]


def features(image, mask, spacing):
    """See `extraction.features`."""
    from nodestage.radiomics import extraction

    return extraction.features(image, mask, spacing)


def of_patient(phases, mask, spacing, source="tumor"):
    """See `patient.of_patient`."""
    from nodestage.radiomics import patient

    return patient.of_patient(phases, mask, spacing, source)
