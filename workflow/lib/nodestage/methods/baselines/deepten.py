"""DeepTEN: ResNet-18 with mask branch over nine tumor slices, texture encoding."""

from nodestage.methods.fusion.deep import DeepMethod


class Method(DeepMethod):
    """A slice network with texture encoding alone."""

    family = "baselines"
    needs = ("views",)
    explained = True
    pooling = ("tel",)
