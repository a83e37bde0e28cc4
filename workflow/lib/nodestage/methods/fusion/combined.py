"""The paper's method: ClsfromPDAC with the volume of the largest positive node (Eq. 7)."""

from nodestage.methods.fusion.deep import DeepMethod


class Method(DeepMethod):
    """Tumor and lymph nodes in one network (Eq. 7)."""

    family = "fusion"
    needs = ("views", "nodes")
    explained = True
    pooling = ("gap", "tel")
    volume_features = 1
