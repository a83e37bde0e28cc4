"""Whether a center's images are fit to be used."""

from nodestage.cohort.image_quality import phase_contrast
from nodestage.cohort.plausible import organ_volumes
from nodestage.core import files, logs, volumes
from nodestage.report import facts, organ_pictures, quality, quality_page

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    images = {}
    if params.labelled:  # the first look comes before the organs
        images = files.by_patient(
            params.labelled,
            arterial=inputs.arterial,
            venous=inputs.venous,
            labels=files.masks(inputs, "organs", params.labelled),
        )
    contrast, sizes, drawn = {}, {}, {}
    for patient, paths in images.items():
        read = {name: volumes.read(path) for name, path in paths.items()}
        arrays, spacing = {n: one.array for n, one in read.items()}, read["labels"].spacing
        contrast[patient] = phase_contrast(**arrays, known=params.labels)
        sizes[patient] = organ_volumes(arrays["labels"], params.labels, spacing)
        drawn[patient] = organ_pictures.pictures(
            **arrays, known=params.labels, spacing=spacing, organ=params.organ
        )
    known = params.facts
    people, notes = quality.patients(
        params.patients,
        quality.Records(
            intake=facts.records(inputs.intake),
            masks=facts.mask_records(inputs.masks),
            registration=facts.records(inputs.records),
            contrast=contrast,
            reasons=known["reasons"],
            volumes=sizes,
            drawn_organs=known["organs_given"],
            organ=params.organ,
            known=tuple(params.labels),
            negative=[
                patient
                for path in inputs.node_masks
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
        phases=tuple(known["phases"]),
        organ=params.organ,
    )
    quality_page.page(about, people, notes, snakemake.output.html, drawn)
