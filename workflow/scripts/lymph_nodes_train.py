"""All lymph-node segmentation networks of one fold."""

from pathlib import Path

from nodestage.core import files, logs
from nodestage.core.run import Run
from nodestage.lymph_nodes.crossfitting import Fold
from nodestage.lymph_nodes.training import train_fold

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    fold = Fold(files.of_fold(inputs, params), params.train, params.validation, params.inner)
    run = Run(
        seed=params.seed,
        output=snakemake.output.model,
        work=Path(snakemake.output.model).with_name("work"),
        label=f"lymph nodes, fold {snakemake.wildcards.fold}",
        threads=snakemake.threads,
    )
    train_fold(fold, params.settings, run)
