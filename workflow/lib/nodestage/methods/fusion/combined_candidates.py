"""The tumor network with two numbers of the candidates in Eq. 7 (`identification.candidates`).

The volume of the largest candidate that counts, and the probability of at least one positive node,
which needs no cut.
"""

from nodestage.methods.fusion.deep import DeepMethod


class Method(DeepMethod):
    """`combined` with two numbers of the candidates."""

    family = "fusion"
    needs = ("views", "nodes")
    pooling = ("gap", "tel")
    volume_features = 2
