"""All lymph-node segmentation networks of one fold."""

from pathlib import Path

from nodestage.core import files, logs
from nodestage.lymph_nodes.training import train_fold

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    train_fold(
        files.of_fold(inputs, params),
        params.train,
        params.validation,
        params.inner,
        params.settings,
        params.seed,
        snakemake.output.model,
        Path(snakemake.output.model).with_name("work"),
        threads=snakemake.threads,
        label=f"lymph nodes, fold {snakemake.wildcards.fold}",
    )
