"""All identification networks of one fold, each started from its segmentation network."""

from pathlib import Path

from nodestage import logs
from nodestage.identification.training import train_fold

with logs.to(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    images = (given.arterial, given.venous, given.maps, given.lymph_nodes)
    names = ("arterial", "venous", "map", "lymph_nodes")
    patients = {
        patient: dict(zip(names, paths, strict=True))
        for patient, *paths in zip(params.patients, *images, strict=True)
    }
    for patient in {*params.train, *params.validation} - set(patients):
        patients[patient] = dict.fromkeys(names, "")  # not annotated: teaches nobody
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
