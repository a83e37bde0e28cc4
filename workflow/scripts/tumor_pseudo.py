"""Tumor masks of the arterial network, on the venous grid by way of the registration."""

from nodestage.core import files, logs, volumes
from nodestage.tumor import masks

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.masks) as folder:
    inputs, params = snakemake.input, snakemake.params
    model = masks.open_model(inputs.model)
    how = {"threads": snakemake.threads, "mirror": params.mirror}
    organs = [None] * len(params.patients)
    if params.organ is not None:
        organs = files.masks(inputs, "organs", params.patients)
    patients = list(zip(params.patients, inputs.arterial, organs, strict=True))
    for patient, path, labels in logs.progress(patients, "pseudo masks of tumors"):
        image = volumes.read(path)
        organ = None if labels is None else volumes.read(labels).array == params.organ
        mask = masks.pseudo_mask(model, image.array, image.spacing, organ, **how)
        volumes.write(folder / f"{patient}.nii.gz", mask, like=image)
