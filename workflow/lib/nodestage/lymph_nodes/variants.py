"""The networks that are compared, each one step away from the next.

`plain` is stock nnU-Net. `tversky` changes its loss alone, `map_one` adds the architecture and the
loss but no map, `attention` is the paper's network. All share plans, splits, epochs, augmentation.
"""

from typing import NamedTuple

from nodestage.core.errors import InputError

# A map that was interpolated leaves traces around its edges: smaller values count as 0.
SMALLEST_ATTENTION = 1e-3


class Variant(NamedTuple):
    """What sets a network apart from stock nnU-Net.

    Attributes
    ----------
    blocks : whether a convolution block is between decoder and head
    attention : the map multiplies the decoder feature in front of that block; 1 everywhere if not
    tversky : Tversky loss (Eq. 3) instead of Dice
    informative : patches that aren't foreground patches hold attention > 0
    """

    blocks: bool
    attention: bool
    tversky: bool
    informative: bool


VARIANTS = {
    "plain": Variant(blocks=False, attention=False, tversky=False, informative=False),
    "tversky": Variant(blocks=False, attention=False, tversky=True, informative=False),
    "map_one": Variant(blocks=True, attention=False, tversky=True, informative=False),
    "attention": Variant(blocks=True, attention=True, tversky=True, informative=True),
}


def variant(name):
    """The variant of a network by its name; the inner networks (`inner0`, …) are `attention`."""
    name = "attention" if name.startswith("inner") else name
    if name not in VARIANTS:
        raise InputError(
            f"`lymph_nodes.variants` names {name!r}, which is none of {', '.join(VARIANTS)}."
        )
    return VARIANTS[name]
