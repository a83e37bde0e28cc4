"""Tumor masks of one chunk of a center's patients."""

from nodestage.core import files, logs, volumes
from nodestage.tumor import masks

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.masks) as folder:
    inputs, params = snakemake.input, snakemake.params
    model = masks.open_model(inputs.model)
    patients = list(zip(params.patients, inputs.venous, strict=True))
    for patient, path in logs.progress(patients, f"tumors of {snakemake.wildcards.center}"):
        image = volumes.read(path)
        mask = masks.predict(model, image.array, image.spacing, threads=snakemake.threads)
        volumes.write(folder / f"{patient}.nii.gz", mask, like=image)
