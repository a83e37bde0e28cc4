"""Key images: slices of the hospital's series with the outlines drawn in, for viewers without segmentations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from highdicom.sc import SCImage
from pydicom.uid import ExplicitVRLittleEndian
from scipy import ndimage

import nodestage
from nodestage.cohort.dicom import pixels
from nodestage.export import objects
from nodestage.export.objects import MANUFACTURER, Maker, terms
from nodestage.export.source import Source

WINDOW_HU = (-160, 240)
MOST = 12  # nodes that get an image each, the most probably positive first


@dataclass(frozen=True)
class Masks:
    """Masks on the series, each (slices, rows, columns).

    nodes : numbered as in the table
    tumor : 0 or 1
    """

    nodes: np.ndarray
    tumor: np.ndarray


@dataclass(frozen=True)
class Slice:
    """A slice to show: its number, what for, and the file's name."""

    k: int
    words: str
    file: str


def chosen(masks: Masks, nodes: Sequence[Mapping[str, str]]) -> list[Slice]:
    """The tumor's largest slice, and that of each node called positive; the first node where none is."""
    shown = []
    if (masks.tumor > 0).any():
        shown.append(Slice(_largest(masks.tumor > 0), "tumor", "tumor.dcm"))
    positive = [row for row in nodes if row["positive"] == "1"] or list(nodes[:1])
    for row in positive[:MOST]:
        mask = masks.nodes == int(row["node"])
        if mask.any():
            call = "positive" if row["positive"] == "1" else "negative"
            words = f"lymph node {row['node']}, {call}, p {float(row['p_positive']):.2f}"
            shown.append(Slice(_largest(mask), words, f"node_{int(row['node']):02d}.dcm"))
    return shown


def images(
    source: Source,
    maker: Maker,
    masks: Masks,
    nodes: Sequence[Mapping[str, str]],
) -> dict[str, SCImage]:
    """{file name: secondary capture}; every outline in the slice is drawn, whatever it is shown for."""
    calls = {int(row["node"]): row["positive"] == "1" for row in nodes}
    made = {}
    for number, one in enumerate(chosen(masks, nodes), start=1):
        picture = drawn(source, masks, calls, one.k)
        image = SCImage.from_ref_dataset(
            source.images[one.k if len(source.images) > 1 else 0],
            pixel_array=picture,
            photometric_interpretation="RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            patient_orientation=_letters(source),
            sop_instance_uid=maker.uid("keyimages", one.words, picture.tobytes()),
            instance_number=number,
            pixel_spacing=source.frames[one.k].spacing,
            transfer_syntax_uid=ExplicitVRLittleEndian,
            manufacturer_model_name=MANUFACTURER,
            software_versions=nodestage.__version__,
            series_description=f"{MANUFACTURER}: key images. {objects.RESEARCH}",
            **maker.common("keyimages"),
        )
        image.ImageComments = f"{MANUFACTURER}: {one.words}. {objects.RESEARCH}."
        image.BodyPartExamined = "ABDOMEN"
        image.BurnedInAnnotation = "NO"  # outlines alone; no text is drawn
        made[one.file] = image
    return made


def drawn(source: Source, masks: Masks, calls: Mapping[int, bool], k: int) -> np.ndarray:
    """One slice in gray with outlines, uint8 (rows, columns, 3).

    calls : {node: whether it is called positive}
    """
    low, high = WINDOW_HU
    hu = pixels.to_hu(source.frames[k], {})
    gray = np.clip((hu - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    picture = np.repeat(gray[..., None], 3, axis=2)
    colors = {name: _rgb(terms()["lesions"][name]["color"]) for name in terms()["lesions"]}
    picture[_outline(masks.tumor[k] > 0)] = colors["tumor"]
    for node in np.unique(masks.nodes[k][masks.nodes[k] > 0]).tolist():
        call = "positive" if calls.get(node) else "negative"
        picture[_outline(masks.nodes[k] == node)] = colors[call]
    return picture


def _outline(mask):
    """The pixels around a mask, so that what it holds stays visible."""
    return ndimage.binary_dilation(mask, np.ones((3, 3))) & ~mask


def _largest(mask):
    return int(mask.sum(axis=(1, 2)).argmax())


def _rgb(color):
    return tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))


def _letters(source):
    """Where rows and columns lead, as the standard's letters: `("L", "P")` of a usual axial slice."""
    row, column = np.reshape(source.frames[0].orientation, (2, 3))

    def letter(cosines):
        axis = int(np.abs(cosines).argmax())
        return ("LPH" if cosines[axis] > 0 else "RAF")[axis]

    return letter(row), letter(column)
