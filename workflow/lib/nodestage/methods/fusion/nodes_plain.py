"""ClsbyLNSeg without attention: the largest positive node of the plain segmentation."""

from nodestage.methods.fusion.nodes import Nodes


class Method(Nodes):
    variant = "plain"
