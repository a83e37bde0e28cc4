"""All identification networks of one fold, each started from its segmentation network."""

from pathlib import Path

from nodestage.core import files, logs
from nodestage.core.run import Run
from nodestage.identification.training import train_fold
from nodestage.lymph_nodes.crossfitting import Fold

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    patients = files.of_fold(
        params,
        arterial=inputs.arterial,
        venous=inputs.venous,
        map=inputs.maps,
        lymph_nodes=inputs.lymph_nodes,
    )
    fold = Fold(patients, params.train, params.validation, params.inner)
    run = Run(
        seed=params.seed,
        output=snakemake.output.model,
        work=Path(snakemake.output.model).with_name("work"),
        label=f"identification, fold {snakemake.wildcards.fold}",
        threads=snakemake.threads,
    )
    train_fold(fold, inputs.segmentation, params.settings, run)
