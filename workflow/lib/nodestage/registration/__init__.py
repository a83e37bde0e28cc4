"""The arterial phase aligned with the venous one: dense displacement sampling after DEEDS.

Arrays are (z, y, x); spacing, displacement and positions are in mm, in the same order.
"""

from nodestage.registration.deform import register
from nodestage.registration.field import Field, identity
from nodestage.registration.masks import carry_mask
from nodestage.registration.phases import align, study_pair, to_study_grid
from nodestage.registration.settings import COARSE, FULL
from nodestage.registration.store import read_field, write_field

__all__ = [
    "COARSE",
    "FULL",
    "Field",
    "align",
    "carry_mask",
    "identity",
    "read_field",
    "register",
    "study_pair",
    "to_study_grid",
    "write_field",
]
