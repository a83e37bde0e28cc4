"""All identification networks of one fold, each started from its segmentation network."""

from pathlib import Path

from nodestage import files, logs
from nodestage.identification.training import train_fold

with logs.to(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    channels = {
        "arterial": given.arterial,
        "venous": given.venous,
        "map": given.maps,
        "lymph_nodes": given.lymph_nodes,
    }
    patients = files.by_patient(params.patients, **channels)
    for patient in {*params.train, *params.validation} - set(patients):
        patients[patient] = dict.fromkeys(channels, "")  # not annotated: teaches nobody
    train_fold(
        patients,
        params.train,
        params.validation,
        params.inner,
        given.segmentation,
        params.settings,
        params.seed,
        snakemake.output.model,
        Path(snakemake.output.model).with_name("work"),
        threads=snakemake.threads,
        label=f"identification, fold {snakemake.wildcards.fold}",
    )
