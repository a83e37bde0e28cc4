"""A structured report (TID 1500) of one patient: each lymph node's size and probability, and the patient's score."""

from collections.abc import Mapping, Sequence
from typing import Any

from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

import nodestage
from nodestage.export import objects
from nodestage.export.objects import MANUFACTURER, Maker, concept, sct
from nodestage.export.source import Source

FILE = "report.dcm"


def of_patient(
    source: Source,
    maker: Maker,
    seg: Dataset | None,
    nodes: Sequence[Mapping[str, str]],
    record: Mapping[str, Any],
) -> sr.Comprehensive3DSR:
    """The report.

    Parameters
    ----------
    seg : the exported segmentation of the nodes, one segment each; None without nodes
    nodes : rows of the patient's nodes (`lymph_nodes.consensus`), as text
    record : the patient's record (`report.patient_record`)
    """
    groups = [_of_patient(source, maker, record)]
    if seg is not None:
        groups += [_of_node(source, maker, seg, row) for row in nodes]
    device = sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=maker.uid("device"),
            name=MANUFACTURER,
            manufacturer_name=MANUFACTURER,
            model_name=f"{MANUFACTURER} {nodestage.__version__}",
            serial_number=maker.model_digest[:16],
        ),
    )
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=device),
        procedure_reported=sct("ComputedTomography"),
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    text = repr([dict(row) for row in nodes]) + repr(record["methods"]) + _uid_of(seg)
    return sr.Comprehensive3DSR(
        evidence=[*source.images, *([seg] if seg is not None else [])],
        content=content[0],
        sop_instance_uid=maker.uid("sr", "object", text),
        instance_number=1,
        is_complete=True,
        is_verified=False,
        series_description=f"{MANUFACTURER}: measurements. {objects.RESEARCH}",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        manufacturer_model_name=MANUFACTURER,
        software_versions=nodestage.__version__,
        **maker.common("sr"),
    )


def _uid_of(seg):
    return "" if seg is None else str(seg.SOPInstanceUID)


def _of_patient(source, maker, record):
    """The declared method's score, probability and call."""
    one = record["methods"][record["declared"]]
    unit = codes.UCUM.NoUnits
    numbers = {
        "patient_score": (one["score"], unit),
        "patient_threshold": (one["threshold"], unit),
        "patient_probability": (one["probability"], codes.UCUM.Percent),
    }
    low, high = one["probability_of_folds"] or (None, None)
    numbers |= {
        "patient_low": (low, codes.UCUM.Percent),
        "patient_high": (high, codes.UCUM.Percent),
    }
    measured = [
        sr.Measurement(
            name=concept(key),
            value=float(value) * (100 if unit == codes.UCUM.Percent else 1),
            unit=unit,
        )
        for key, (value, unit) in numbers.items()
        if value is not None
    ]
    called = []
    if one["call"] is not None:
        value = sct("Positive" if one["call"] else "Negative")
        called = [sr.QualitativeEvaluation(name=concept("patient_call"), value=value)]
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=maker.uid("tracking", "patient"), identifier=f"{MANUFACTURER} patient"
        ),
        finding_type=sct("Metastasis"),
        finding_sites=[sr.FindingSite(anatomic_location=sct("LymphNode"))],
        algorithm_id=_algorithm(maker, record["declared"]),
        measurements=measured or None,
        qualitative_evaluations=called or None,
        source_images=[
            sr.SourceImageForMeasurementGroup.from_source_image(
                source.images[len(source.images) // 2]
            )
        ],
    )


def _of_node(source, maker, seg, row):
    """Volume, short axis and probability of one node, whose outline is a segment."""
    number = int(row["node"])
    positive = row["positive"] == "1"
    name = f"node {number}"
    percent = 100 * float(row["p_positive"])
    measured = [
        sr.Measurement(sct("Volume"), float(row["volume_mm3"]), codes.UCUM.CubicMillimeter),
        sr.Measurement(sct("ShortAxis"), float(row["short_axis_mm"]), codes.UCUM.Millimeter),
        sr.Measurement(concept("node_probability"), percent, codes.UCUM.Percent),
        sr.Measurement(concept("found_in"), float(row["found_in"]), codes.UCUM.NoUnits),
    ]
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=maker.uid("tracking", name), identifier=f"{MANUFACTURER} {name}"
        ),
        referenced_segment=sr.ReferencedSegment(
            sop_class_uid=seg.SOPClassUID,
            sop_instance_uid=seg.SOPInstanceUID,
            segment_number=number,
            source_series=sr.SourceSeriesForSegmentation(
                referenced_series_instance_uid=source.images[0].SeriesInstanceUID
            ),
        ),
        finding_type=sct("LymphNode"),
        finding_sites=[sr.FindingSite(anatomic_location=sct("LymphNode"))],
        algorithm_id=_algorithm(maker, "lymph nodes"),
        measurements=measured,
        qualitative_evaluations=[
            sr.QualitativeEvaluation(
                name=concept("node_call"), value=sct("Positive" if positive else "Negative")
            )
        ],
    )


def _algorithm(maker, what):
    return sr.AlgorithmIdentification(
        name=f"{MANUFACTURER}, {what}",
        version=f"{nodestage.__version__}, model {maker.model_digest[:12]}",
    )
