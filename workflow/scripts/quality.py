"""Whether a center's images are fit to be used."""

from nodestage.cohort.image_quality import phase_contrast
from nodestage.cohort.plausible import organ_volumes
from nodestage.core import files, logs, volumes
from nodestage.report import facts, organ_pictures, quality, quality_page

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
    people, notes = quality.patients(
        params.patients,
        quality.Records(
            intake=facts.records(given.intake),
            registration=facts.records(given.records),
            contrast=contrast,
            reasons=known["reasons"],
            volumes=sizes,
            given=known["organs_given"],
            negative=[
                patient
                for path in given.node_masks
                for patient in files.read_json(path)["positive_patients_without"]
            ],
        ),
    )
    files.write_json(snakemake.output.record, quality.record(people, notes))
    about = quality_page.About(
        snakemake.wildcards.center,
        known["role"],
        known["study"],
        known["simulated"],
        known["effects"],
        known["organs"],
        first_look=known.get("first_look", False),
    )
    quality_page.page(about, people, notes, snakemake.output.html, drawn)
