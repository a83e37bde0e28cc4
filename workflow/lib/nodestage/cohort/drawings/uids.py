"""The UIDs by which a DICOM mask names the image that it was drawn on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class References:
    """UIDs of an image, or those that a mask names; empty where there are none.

    Attributes
    ----------
    frames : frame of reference UIDs
    series : series instance UIDs
    slices : SOP instance UIDs
    """

    frames: frozenset[str] = frozenset()
    series: frozenset[str] = frozenset()
    slices: frozenset[str] = frozenset()
