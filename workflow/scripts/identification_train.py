"""All identification networks of one fold, each started from its segmentation network."""

from pathlib import Path

from nodestage.core import files, logs
from nodestage.identification.training import train_fold

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    train_fold(
        files.of_fold(inputs, params),
        params.train,
        params.validation,
        params.inner,
        inputs.segmentation,
        params.settings,
        params.seed,
        snakemake.output.model,
        Path(snakemake.output.model).with_name("work"),
        threads=snakemake.threads,
        label=f"identification, fold {snakemake.wildcards.fold}",
    )
