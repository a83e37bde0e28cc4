"""DeepTEN: ResNet-18 with mask branch over nine tumor slices, texture encoding."""

from nodestage.methods.fusion.deep import DeepMethod


class Method(DeepMethod):
    pooling = ("tel",)
