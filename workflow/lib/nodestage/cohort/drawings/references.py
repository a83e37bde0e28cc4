"""Whether a mask refers to the image that it stands beside in the sheet.

UIDs are compared and never shown.
"""

from dataclasses import dataclass, field

from nodestage.cohort.ct import Headers
from nodestage.cohort.drawings.uids import References
from nodestage.cohort.faults import IntakeError


@dataclass(frozen=True)
class Source:
    """The image that a mask was drawn on, as it is stored.

    Attributes
    ----------
    phase : by `mask_phase`
    images : {phase: `ct.Headers`} of this patient, of one or both phases
    """

    phase: str
    images: dict[str, Headers] = field(default_factory=dict)

    @property
    def image(self) -> Headers | None:
        """The headers of the image that the mask was drawn on."""
        return self.images.get(self.phase)


def check(mask: References, source: Source | None, facts: dict) -> None:
    """Raise `IntakeError` where a DICOM mask refers to another series or frame of reference.

    Parameters
    ----------
    mask : what the mask names
    source : the image beside it; None, or an image from NIfTI, has no UIDs: positions alone are compared then
    facts : takes `series_not_compared` where the mask is from DICOM, and neither series nor slices could be compared
    """
    image = source.image.references if source and source.image else References()
    phase = source.phase if source else ""
    if _differ(mask.series, image.series) or _differ(mask.slices, image.slices):
        raise IntakeError(_another(mask, source))
    if _differ(mask.frames, image.frames):
        raise IntakeError(
            f"its frame of reference is not that of the {phase} image: places in one mean nothing in the other. Give "
            "the mask that was drawn on this image, or export both again together"
        )
    compared = (mask.series and image.series) or (mask.slices and image.slices)
    if not compared and (mask.series or mask.slices or mask.frames):
        facts["series_not_compared"] = True


def _differ(ones, others):
    return bool(ones and others and not ones & others)


def _another(mask, source):
    """The sentence on a mask that refers to another series, and which one if it is the other phase's."""
    for phase, headers in source.images.items():
        others = headers.references
        same = mask.slices & others.slices or (mask.series & others.series and not mask.slices)
        if phase != source.phase and same:
            return (
                f"refers to the series of the {phase} image, not to that of the {source.phase} one. Are `arterial` and "
                f"`venous` exchanged in the sheet? If it was drawn on the {phase} phase, set `mask_phase: {phase}` "
                "for its center"
            )
    what = (
        "other slices of the same series"
        if mask.series & source.image.references.series
        else "another series"
    )
    return (
        f"refers to {what} than the {source.phase} image (by UID). Give the mask that was drawn on this image, or the "
        f"series that it was drawn on; `{source.phase}_series` chooses one of a folder"
    )
