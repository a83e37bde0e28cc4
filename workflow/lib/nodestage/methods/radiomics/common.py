"""What every part of the radiomics shares, without importing PyRadiomics."""

from nodestage.core.errors import InputError
from nodestage.core.names import PHASES

__all__ = ["COUNT", "PHASES", "Unscorable"]

COUNT = 1688  # a phase: 107 original + 17 filtered images x 93


class Unscorable(InputError):
    """A mask without radiomics; the message is the patient's reason."""
