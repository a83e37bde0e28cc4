"""Radiomics under its public name; the code is in `nodestage.methods.radiomics`."""

from nodestage.methods.radiomics import features, of_patient

__all__ = ["features", "of_patient"]
