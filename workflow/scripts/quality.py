"""Whether a center's images are fit to be used."""

from nodestage.cohort.image_quality import phase_contrast
from nodestage.cohort.plausible import organ_volumes
from nodestage.core import files, logs, volumes
from nodestage.report import facts, organ_pictures, quality

with logs.to(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    images = {}
    if params.labelled:  # the first look comes before the organs
        images = files.by_patient(
            params.labelled, arterial=given.arterial, venous=given.venous, labels=given.organs
        )
    contrast, sizes, drawn = {}, {}, {}
    for patient, paths in images.items():
        read = {n: volumes.read(files.of_patient(path, patient)) for n, path in paths.items()}
        arrays, spacing = {n: one.array for n, one in read.items()}, read["labels"].spacing
        contrast[patient] = phase_contrast(**arrays, known=params.labels)
        sizes[patient] = organ_volumes(arrays["labels"], params.labels, spacing)
        drawn[patient] = organ_pictures.pictures(**arrays, known=params.labels, spacing=spacing)
    known = params.facts
    found = quality.patients(
        params.patients,
        facts.records(given.intake),
        facts.records(given.records),
        contrast,
        known["reasons"],
        sizes,
        known["organs_given"],
        negative=[
            patient
            for path in given.node_masks
            for patient in files.read_json(path)["positive_patients_without"]
        ],
    )
    files.write_json(snakemake.output.record, quality.record(found))
    quality.page(
        snakemake.wildcards.center, known["role"], found, known, snakemake.output.html, drawn
    )
