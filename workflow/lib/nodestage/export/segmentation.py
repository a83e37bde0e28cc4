"""DICOM segmentations of one patient: lymph nodes, tumor, organs, on the slices of the hospital's series."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

import nodestage
from nodestage.export import objects
from nodestage.export.objects import MANUFACTURER, Maker, sct, terms
from nodestage.export.source import Source

ORGANS, TUMOR, NODES = "organs", "tumor", "nodes"
FILES = {NODES: "lymph_nodes.dcm", TUMOR: "tumor.dcm", ORGANS: "organs.dcm"}


def of_nodes(
    source: Source, maker: Maker, labels: np.ndarray, nodes: Sequence[Mapping[str, str]]
) -> Segmentation | None:
    """The lymph nodes, a segment each; None where there is none.

    Parameters
    ----------
    labels : (slices, rows, columns) on the series, nodes numbered as in the table
    nodes : rows of the patient's nodes (`lymph_nodes.consensus`), as text
    """
    if not nodes:
        return None
    segments = []
    for row in nodes:
        positive = row["positive"] == "1"
        kind = terms()["lesions"]["positive" if positive else "negative"]
        words = f"Lymph node {row['node']}, {kind['words']}, p {float(row['p_positive']):.2f}"
        number = int(row["node"])
        category = "MorphologicallyAbnormalStructure" if positive else "AnatomicalStructure"
        segments.append(_segment(maker, number, words, kind, (category, f"node {number}")))
    return _written(source, maker, NODES, labels, segments)


def of_tumor(
    source: Source, maker: Maker, mask: np.ndarray, organ: str = "pancreas"
) -> Segmentation | None:
    """The tumor, one segment, in its organ; None where the mask (slices, rows, columns) is empty."""
    if not (mask > 0).any():
        return None
    kind = terms()["lesions"]["tumor"] | {"region": objects.organ(organ)["code"]}
    about = ("MorphologicallyAbnormalStructure", TUMOR)
    segments = [_segment(maker, 1, kind["words"], kind, about)]
    return _written(source, maker, TUMOR, mask > 0, segments)


def of_organs(
    source: Source, maker: Maker, labels: np.ndarray, known: Mapping[str, int]
) -> Segmentation | None:
    """Organs and vessels, a segment each of those that the labels show; None where there is none.

    Parameters
    ----------
    labels : (slices, rows, columns) on the series
    known : {structure: label}, the `labels` of the anatomy
    """
    present = [(name, label) for name, label in known.items() if (labels == label).any()]
    if not present:
        return None
    numbers = np.zeros(max(int(labels.max()), *known.values()) + 1, np.uint16)
    segments = []
    for number, (name, label) in enumerate(present, start=1):
        numbers[label] = number
        kind = objects.organ(name)
        segments.append(_segment(maker, number, kind["words"], kind, ("AnatomicalStructure", name)))
    return _written(source, maker, ORGANS, numbers[labels], segments)


def _segment(maker, number, words, kind, about):
    """One segment; about : its category, and what its tracking UID is made of."""
    category, name = about
    segment = SegmentDescription(
        segment_number=number,
        segment_label=words[:64],
        segmented_property_category=sct(category),
        segmented_property_type=sct(kind["code"]),
        algorithm_type="AUTOMATIC",
        algorithm_identification=maker.algorithm,
        tracking_uid=maker.uid("tracking", name),
        tracking_id=f"{MANUFACTURER} {name}",
        anatomic_regions=[sct(kind["region"])] if "region" in kind else None,
        display_color=CIELabColor.from_string(kind["color"]),
    )
    if "laterality" in kind:
        side, modifier = sct(kind["laterality"]), Dataset()
        modifier.CodeValue, modifier.CodingSchemeDesignator = side.value, side.scheme_designator
        modifier.CodeMeaning = side.meaning
        of_type = segment.SegmentedPropertyTypeCodeSequence[0]
        of_type.SegmentedPropertyTypeModifierCodeSequence = [modifier]
    return segment


def _written(source, maker, kind, labels, segments):
    labels = source.in_file_order(np.asarray(labels, np.uint16))
    content = np.packbits(labels > 0).tobytes() + repr([s.SegmentLabel for s in segments]).encode()
    made: Any = Segmentation(
        source_images=source.images,
        pixel_array=labels,
        segmentation_type="BINARY",
        segment_descriptions=segments,
        sop_instance_uid=maker.uid(kind, "object", content),
        instance_number=1,
        manufacturer_model_name=MANUFACTURER,
        software_versions=nodestage.__version__,
        device_serial_number=maker.model_digest[:16],
        transfer_syntax_uid=ExplicitVRLittleEndian,
        content_description=objects.RESEARCH,
        content_label=kind.upper(),
        series_description=f"{MANUFACTURER}: {FILES[kind].removesuffix('.dcm').replace('_', ' ')}",
        **maker.common(kind),
    )
    return made
