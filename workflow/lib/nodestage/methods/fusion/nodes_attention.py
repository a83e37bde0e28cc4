"""ClsbyLNSeg with attention: the largest positive node of the attention segmentation."""

from nodestage.methods.fusion.nodes import Nodes


class Method(Nodes):
    """The volume that the attention-guided network measures."""

    family = "fusion"
    needs = ("nodes",)
    nonnegative = True  # a volume in mm3
    variant = "attention"
