"""ResNet2D: ResNet-18 with mask branch over nine tumor slices, global average pooling."""

from nodestage.methods.fusion.deep import DeepMethod


class Method(DeepMethod):
    """A slice network with global average pooling alone."""

    family = "baselines"
    needs = ("views",)
    explained = True
    pooling = ("gap",)
