"""The arterial tumor networks, before and after fine-tuning, against the drawn masks."""

from nodestage.core import files, logs, tables, volumes
from nodestage.tumor import masks

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    organs = [None] * len(params.patients)
    if params.organ is not None:
        organs = files.masks(inputs, "organs", params.patients)
    patients = list(zip(params.patients, inputs.arterial_images, organs, inputs.drawn, strict=True))
    rows = []
    for network in ("arterial", "finetuned"):
        model = masks.open_model(inputs[network])
        for patient, path, labels, drawn in logs.progress(patients, f"tumors, {network}"):
            image, truth = volumes.read(path), volumes.read(drawn)
            organ = None if labels is None else volumes.read(labels).array == params.organ
            mask = masks.pseudo_mask(
                model,
                image.array,
                image.spacing,
                organ,
                threads=snakemake.threads,
                mirror=params.mirror,
            )
            row = masks.evaluate(truth.array, mask, truth.spacing)
            rows.append({"patient": patient, "network": network, **row})
    tables.write(snakemake.output.rows, rows)
