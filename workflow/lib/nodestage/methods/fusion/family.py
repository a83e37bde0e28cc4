"""The methods that the `fusion` job of a fold fits."""

from nodestage.methods.fusion import (
    combined,
    combined_candidates,
    nodes_attention,
    nodes_candidates,
    nodes_plain,
    tumor_net,
)

METHODS = {
    "nodes_plain": nodes_plain.Method,
    "nodes_attention": nodes_attention.Method,
    "nodes_candidates": nodes_candidates.Method,
    "tumor_net": tumor_net.Method,
    "combined": combined.Method,
    "combined_candidates": combined_candidates.Method,
}
