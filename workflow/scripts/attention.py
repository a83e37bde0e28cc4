"""Attention map of one patient."""

from nodestage import attention
from nodestage.core import files, logs, volumes

with logs.to(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    organs = volumes.read(files.of_patient(given.organs, snakemake.wildcards.patient))
    ranges = params.get("ranges")
    if ranges is None:
        ranges = attention.by_label(files.read_json(given.ranges), params.labels)
    found = attention.attention_map(organs.array, organs.spacing, ranges, threads=snakemake.threads)
    gone = set(attention.missing(organs.array, ranges))
    volumes.write(snakemake.output.map, found, like=organs)
    files.write_json(
        snakemake.output.record,
        {
            "missing": [name for name, label in params.labels.items() if label in gone],
            "share_attended": float((found > 0).mean()),
        },
    )
