"""Tumor masks of one chunk of a center's patients."""

from nodestage.core import files, logs, volumes
from nodestage.tumor import masks

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.masks) as folder:
    inputs, params = snakemake.input, snakemake.params
    model = masks.open_model(inputs.model)
    phases = {phase: inputs[phase] for phase in masks.phases_of(model)}
    patients = files.by_patient(params.patients, **phases)
    organs = dict.fromkeys(params.patients)
    if params.organ is not None:
        organs = dict(zip(organs, files.masks(inputs, "organs", params.patients), strict=True))
    for patient in logs.progress(params.patients, f"tumors of {snakemake.wildcards.center}"):
        images = {phase: volumes.read(path) for phase, path in patients[patient].items()}
        grid = next(iter(images.values()))
        labels = organs[patient]
        organ = None if labels is None else volumes.read(labels).array == params.organ
        mask = masks.predict(
            model,
            {phase: image.array for phase, image in images.items()},
            grid.spacing,
            organ,
            threshold=params.threshold,
            threads=snakemake.threads,
            mirror=params.mirror,
        )
        volumes.write(folder / f"{patient}.nii.gz", mask, like=grid)
