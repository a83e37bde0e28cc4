"""Ranges like Table II's, from the lymph nodes of one fold's training patients."""

from nodestage import attention
from nodestage.core import files, logs, volumes

with logs.to(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    names = {label: name for name, label in params.labels.items()}
    samples = []
    paths = list(zip(params.patients, given.organs, given.lymph_nodes, strict=True))
    for patient, organs, nodes in logs.progress(paths, "ranges"):
        labels = volumes.read(files.of_patient(organs, patient))
        drawn = volumes.read(nodes)
        samples.append(
            attention.node_distances(labels.array, drawn.array, labels.spacing, params.structures)
        )
    found = attention.estimate_ranges(samples, params.percentiles)
    files.write_json(snakemake.output.ranges, {names[i]: r for i, r in found.items()})
