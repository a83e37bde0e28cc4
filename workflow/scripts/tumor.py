"""Tumor masks of one chunk of a center's patients."""

from nodestage.core import files, logs, volumes
from nodestage.tumor import masks

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.masks) as folder:
    given, params = snakemake.input, snakemake.params
    model = masks.open_model(given.model)
    organs = list(given.organs) or [None] * len(params.patients)
    patients = list(zip(params.patients, given.venous, organs, strict=True))
    for patient, path, labels in logs.progress(patients, f"tumors of {snakemake.wildcards.center}"):
        image = volumes.read(path)
        pancreas = masks.pancreas(labels, patient, params.pancreas)
        found = masks.predict(
            model, image.array, image.spacing, pancreas, threads=snakemake.threads
        )
        volumes.write(folder / f"{patient}.nii.gz", found, like=image)
