"""Organ and vessel labels of one chunk of a center's patients."""

from nodestage import organs as organ_networks
from nodestage.core import files, logs, volumes

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.labels) as folder:
    inputs, params = snakemake.input, snakemake.params
    model = organ_networks.open_model(inputs.model)
    options = {"threads": snakemake.threads, "mirror": params.mirror}
    patients = list(zip(params.patients, inputs.arterial, inputs.venous, strict=True))
    for patient, *paths in logs.progress(patients, f"organs of {snakemake.wildcards.center}"):
        arterial, venous = (volumes.read(path) for path in paths)
        labels = organ_networks.predict(
            model, arterial.array, venous.array, venous.spacing, **options
        )
        volumes.write(folder / f"{patient}.nii.gz", labels, like=venous)
