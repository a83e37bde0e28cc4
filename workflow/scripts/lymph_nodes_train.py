"""All lymph-node segmentation networks of one fold."""

from pathlib import Path

from nodestage.core import files, logs
from nodestage.core.run import Run
from nodestage.lymph_nodes.crossfitting import Fold
from nodestage.lymph_nodes.training import train_fold

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    # Every patient of the rule is annotated: what was prepared stands for images and mask.
    prepared = [f"{folder}/{p}" for p, folder in zip(params.patients, inputs.prepared, strict=True)]
    patients = files.of_fold(params, prepared=prepared, lymph_nodes=prepared)
    fold = Fold(patients, params.train, params.validation, params.inner)
    run = Run(
        seed=params.seed,
        output=snakemake.output.model,
        work=Path(snakemake.output.model).with_name("work"),
        label=f"lymph nodes, fold {snakemake.wildcards.fold}",
        threads=snakemake.threads,
    )
    train_fold(fold, params.settings, run)
