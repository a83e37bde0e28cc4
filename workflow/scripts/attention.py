"""Attention map of one patient."""

from nodestage import attention
from nodestage.core import files, logs, volumes

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    (path,) = files.masks(inputs, "organs", [snakemake.wildcards.patient])
    organs = volumes.read(path)
    ranges = params.get("ranges")
    if ranges is None:
        ranges = attention.by_label(files.read_json(inputs.ranges), params.labels)
    attended = attention.attention_map(
        organs.array, organs.spacing, ranges, threads=snakemake.threads
    )
    absent = set(attention.missing(organs.array, ranges))
    volumes.write(snakemake.output.map, attended, like=organs)
    files.write_json(
        snakemake.output.record,
        {
            "missing": [name for name, label in params.labels.items() if label in absent],
            "share_attended": float((attended > 0).mean()),
        },
    )
