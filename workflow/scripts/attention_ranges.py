"""Ranges like Table II's, from the lymph nodes of one fold's training patients."""

from nodestage import attention
from nodestage.core import files, logs, seals, volumes

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    names = {label: name for name, label in params.labels.items()}
    samples = []
    masks = files.masks(inputs, "organs", params.patients)
    paths = list(zip(masks, inputs.lymph_nodes, strict=True))
    for organs, nodes in logs.progress(paths, "ranges"):
        labels = volumes.read(organs)
        drawn = volumes.read(nodes)
        samples.append(
            attention.node_distances(labels.array, drawn.array, labels.spacing, params.structures)
        )
    ranges = attention.estimate_ranges(samples, params.percentiles)
    files.write_json(snakemake.output.ranges, {names[i]: r for i, r in ranges.items()})
    seals.add(snakemake.output.ranges)
