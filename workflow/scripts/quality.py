"""Whether a center's images are fit to be used."""

from nodestage import files, logs, volumes
from nodestage.cohort.facts import phase_contrast
from nodestage.report import facts, quality

with logs.to(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    images = files.by_patient(
        params.labelled, arterial=given.arterial, venous=given.venous, labels=given.organs
    )
    contrast = {}
    for patient, paths in images.items():
        arrays = {
            name: volumes.read(files.of_patient(path, patient)).array
            for name, path in paths.items()
        }
        contrast[patient] = phase_contrast(**arrays, known=params.labels)
    known = params.facts
    found = quality.patients(
        params.patients,
        facts.records(given.intake),
        facts.records(given.records),
        contrast,
        known["reasons"],
    )
    files.write_json(snakemake.output.record, quality.record(found))
    quality.page(snakemake.wildcards.center, known["role"], found, known, snakemake.output.html)
