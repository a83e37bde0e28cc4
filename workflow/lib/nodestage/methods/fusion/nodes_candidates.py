"""The largest candidate that counts: one told from what is no node (`identification.candidates`)."""

from nodestage.methods.fusion.nodes import Nodes


class Method(Nodes):
    variant = "candidates"
