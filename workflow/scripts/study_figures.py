"""Figures 3 and 4: how an attention map arises, and overlays of a few patients."""

from pathlib import Path

from nodestage import attention
from nodestage.core import files, logs, tables, volumes
from nodestage.report import pictures

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    drawn = dict(zip(params.drawn, inputs.drawn, strict=True))
    organs_of = files.masks(inputs, "organs", params.patients)
    images = zip(inputs.venous, organs_of, inputs.maps, inputs.nodes, strict=True)
    images = dict(zip(params.patients, images, strict=True))
    called = [row for path in set(inputs.instances) for row in tables.read(path)]
    nodes = tables.read(Path(inputs.evaluated, "nodes.tsv")) if inputs.evaluated else []
    ranges = params.get("ranges")
    if ranges is None:
        ranges = attention.by_label(files.read_json(inputs.ranges), params.labels)

    def read(patient):  # noqa: D103
        venous, organs, on_map, chunk = images[patient]
        image = volumes.read(venous)
        variants = ("plain", "attention")
        return pictures.Patient(
            patient,
            image.array,
            volumes.read(organs).array,
            volumes.read(on_map).array,
            volumes.read(drawn[patient]).array if patient in drawn else None,
            {v: volumes.read(Path(chunk, f"{patient}.{v}.nii.gz")).array for v in variants},
            {v: pictures.called_positive(called, patient, v) for v in variants},
            image.spacing,
        )

    first = pictures.largest_first(params.patients, nodes)[: pictures.PATIENTS]
    shown = [read(patient) for patient in logs.progress(first, "figures")]
    names = {label: name for name, label in params.labels.items()}
    pictures.write(
        Path(snakemake.output.record).parent,
        {
            "figure_3": pictures.attention_figure(shown[0], ranges, names),
            "figure_4": pictures.overlay_figure(shown, ranges),
        },
    )
