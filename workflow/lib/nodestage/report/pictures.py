"""Figures 3 and 4 of the study, from volumes: which patients, which slice, which structures.

Whom they show follows from the annotation alone, never from how well a network did. Arrays are
(z, y, x), spacing is in mm in that order.
"""

import base64
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nodestage.attention import maps
from nodestage.core import files, tables
from nodestage.core.instances import positive_rows
from nodestage.report import figures
from nodestage.statistics import vocabulary

PATIENTS = 3
"""Patients in Figure 4."""

STRUCTURES = 3
"""Structures whose distances Figure 3 shows: those nearest to the node."""

VIEW_MM = 160.0
"""Side of the part of a slice that Figure 4 shows around a node."""

NAMES = {"figure_3": "Figure 3", "figure_4": "Figure 4"}
RECORD = "figures.json"


@dataclass(frozen=True)
class Patient:
    """What the figures need of one patient.

    Attributes
    ----------
    patient : code
    image : venous CT, HU
    labels : organs and vessels
    attention : map in [0, 1]
    drawn : lymph-node mask (1 negative, 2 positive), None where not annotated
    instances : {variant: instance label map}
    positive : {variant: numbers of the instances called positive}
    spacing : (z, y, x), mm
    """

    patient: str
    image: np.ndarray
    labels: np.ndarray
    attention: np.ndarray
    drawn: np.ndarray | None
    instances: dict
    positive: dict
    spacing: tuple


def largest_first(patients, nodes):
    """Patients by their largest annotated node; those without one after them, by code.

    Parameters
    ----------
    patients : codes
    nodes : rows of true nodes with `patient` and `volume_mm3` (`evaluation/fold{fold}/nodes.tsv`)
    """
    largest = dict.fromkeys(patients, 0.0)
    for row in nodes:
        if row["patient"] in largest:
            volume = tables.number(row["volume_mm3"])
            largest[row["patient"]] = max(largest[row["patient"]], volume)
    return sorted(patients, key=lambda patient: (-largest[patient], patient))


def called_positive(rows, patient, variant):
    """Numbers of a patient's instances that identification calls positive, from instance tables."""
    return {
        int(row["instance"])
        for row in positive_rows(rows)
        if (row["patient"], row["variant"]) == (patient, variant)
    }


def focus(patient, structures):
    """Voxel (z, y, x) that the figures turn to, and whether a node lies there.

    The middle of the largest drawn node in the slice where it is largest; without one the middle
    of the structures in the slice where they take most voxels; without these the volume's middle.
    """
    from nodestage.metrics.instances import label_instances

    node = patient.drawn is not None and bool(patient.drawn.any())
    if node:
        nodes = label_instances(patient.drawn)
        mask = nodes == 1 + int(np.argmax(np.bincount(nodes.ravel())[1:]))
    else:
        mask = np.isin(patient.labels, list(structures))
    if not mask.any():
        return tuple(n // 2 for n in mask.shape), False
    z = int(np.argmax(mask.sum((1, 2))))
    voxels = np.argwhere(mask[z])
    # A voxel of the mask itself: the centroid of a bent node may lie outside it.
    inside = voxels[np.argmin(((voxels - voxels.mean(0)) ** 2).sum(1))]
    return (z, *(int(i) for i in inside)), node


def attention_figure(patient, ranges, names):
    """Figure 3: how one patient's map arises, in the slice of its largest node.

    Parameters
    ----------
    patient : Patient
    ranges : {label: (d_min, d_max)} in mm, those that the patient's map was made with
    names : {label: structure}

    Returns
    -------
    figure, and {patient, slice, structures, distances_mm, words}
    """
    (z, y, x), node = focus(patient, ranges)
    distances = {
        label: maps.signed_distance(patient.labels == label, patient.spacing)[z]
        for label in sorted(ranges)
        if (patient.labels == label).any()
    }
    near = sorted(distances, key=lambda label: (distances[label][y, x], label))[:STRUCTURES]
    figure = figures.attention_steps(
        figures.MapSteps(
            patient.image[z],
            patient.labels[z],
            {names[label]: distances[label] for label in near},
            {names[label]: maps.trapezium(distances[label], *ranges[label][:2]) for label in near},
            {names[label]: tuple(ranges[label][:2]) for label in near},
            patient.attention[z],
            patient.spacing,
            nodes=None if patient.drawn is None else patient.drawn[z],
        )
    )
    at = {names[label]: float(distances[label][y, x]) for label in near}
    return figure, {
        "patient": patient.patient,
        "slice": z + 1,
        "structures": [names[label] for label in near],
        "distances_mm": at,
        "words": _steps_in_words(patient, z, at, float(patient.attention[z, y, x]), node),
    }


def overlay_figure(patients, structures):
    """Figure 4: nodes drawn, and segmented by the plain and the attention network; organs and map.

    Parameters
    ----------
    patients : list of Patient; the organs and the map are those of the first
    structures : labels that may guide the view where no node is drawn

    Returns
    -------
    figure, and {patients, slices, words}
    """
    nodes, slices, sentences = [], [], []
    for patient in patients:
        (z, y, x), _ = focus(patient, structures)
        window = _window(patient.image.shape[1:], (y, x), patient.spacing[1:])
        shown = {
            variant: _called(patient.instances[variant][z], patient.positive[variant])
            for variant in ("plain", "attention")
        }
        truth = None if patient.drawn is None else patient.drawn[z]
        views = {"truth": truth, **shown}
        nodes.append(
            {"patient": patient.patient, "image": patient.image[z][window]}
            | {"spacing": patient.spacing}
            | {key: None if view is None else view[window] for key, view in views.items()}
        )
        slices.append(z + 1)
        sentences.append(_overlay_in_words(patient.patient, z, nodes[-1]))
    organs = [
        {
            "patient": patient.patient,
            "image": patient.image[number - 1],
            "spacing": patient.spacing,
            "labels": patient.labels[number - 1],
            "attention": patient.attention[number - 1],
        }
        for patient, number in list(zip(patients, slices, strict=True))[:1]
    ]
    sentences += [
        f"Below, organs and vessels and the attention map of {o['patient']}." for o in organs
    ]
    return figures.overlays(nodes, organs), {
        "patients": [patient.patient for patient in patients],
        "slices": slices,
        "words": " ".join(sentences) or "No patient to show.",
    }


def write(folder, drawn):
    """Write figures as SVG and PNG, and beside them a record of what they show.

    Parameters
    ----------
    drawn : {name: (figure, record)}, names as in `NAMES`
    """
    for name, (figure, _) in drawn.items():
        figures.save(figure, Path(folder, name))
    files.write_json(Path(folder, RECORD), {name: record for name, (_, record) in drawn.items()})


def read(record):
    """{name: picture} for a page, from the record that `write` left beside the figures."""
    if record is None:
        return {}
    pictures = {}
    for name, about in files.read_json(record).items():
        image = Path(record).with_name(f"{name}.svg").read_bytes()
        source = f"data:image/svg+xml;base64,{base64.b64encode(image).decode()}"
        pictures[name] = {**about, "number": NAMES[name], "source": source}
    return pictures


def _called(instances, positive):
    """Label slice (y, x) of nodes as called: 1 negative, 2 positive."""
    labels = (instances > 0).astype(np.uint8)
    labels[np.isin(instances, list(positive))] = 2
    return labels


def _window(shape, middle, spacing):
    """Slices (y, x) of `VIEW_MM` around a pixel, moved to lie within the image."""
    slices = []
    for size, at, step in zip(shape, middle, spacing, strict=True):
        side = min(size, max(1, round(VIEW_MM / step)))
        start = min(max(at - side // 2, 0), size - side)
        slices.append(slice(start, start + side))
    return tuple(slices)


def _steps_in_words(patient, z, distances, value, node):
    where = f"Patient {patient.patient}, axial slice {z + 1} of {len(patient.image)}"
    if not distances:
        return f"{where}: none of the structures was found, so the map is 1 everywhere."
    listed = "; ".join(
        f"{vocabulary.name('structures', name)} {mm:.1f} mm".replace("-", "−")
        for name, mm in distances.items()
    )
    what = "the largest drawn lymph node" if node else "the middle of the structures"
    return (
        f"{where}: CT, organs and vessels, and for each of {len(distances)} structures the signed "
        f"distance, the rule that scores it, and the scores; last, the map. Signed distances from "
        f"{what}: {listed}. The map there is {value:.2f}."
    )


def _overlay_in_words(code, z, row):
    def area(labels):
        if labels is None:
            return "not annotated"
        return f"{int((labels == 2).sum())} positive and {int((labels == 1).sum())} negative pixels"

    return (
        f"{code}, axial slice {z + 1}: drawn {area(row['truth'])}; plain network "
        f"{area(row['plain'])}; with attention {area(row['attention'])}."
    )
