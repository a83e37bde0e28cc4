"""ClsbyLNSeg without attention: the largest positive node of the plain segmentation."""

from nodestage.methods.fusion.nodes import Nodes


class Method(Nodes):
    """The volume that the plain network measures."""

    family = "fusion"
    needs = ("nodes",)
    nonnegative = True  # a volume in mm3
    variant = "plain"
