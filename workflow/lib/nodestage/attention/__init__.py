"""Attention: where lymph nodes may lie, from distances to organs and vessels (Eq. 1 and 2)."""

from nodestage.attention.maps import (
    BORDER_MM,
    attention_map,
    by_label,
    estimate_ranges,
    missing,
    node_distances,
    signed_distance,
    trapezium,
)

__all__ = [
    "BORDER_MM",
    "attention_map",
    "by_label",
    "estimate_ranges",
    "missing",
    "node_distances",
    "signed_distance",
    "trapezium",
]
