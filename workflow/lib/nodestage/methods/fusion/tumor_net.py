"""ClsfromPDAC: global average pooling and texture encoding of nine tumor slices (Eq. 6)."""

from nodestage.methods.fusion.deep import DeepMethod


class Method(DeepMethod):
    """The tumor alone."""

    family = "fusion"
    needs = ("views",)
    explained = True
    pooling = ("gap", "tel")
