"""The teacher's labels of some patients, joined with the vessels that were drawn by hand."""

from nodestage import organs
from nodestage.core import files, logs, volumes

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.labels) as folder:
    inputs, params = snakemake.input, snakemake.params
    teacher = organs.open_model(inputs.teacher)
    options = {"threads": snakemake.threads, "mirror": params.mirror}
    patients = list(
        zip(params.patients, inputs.arterial, inputs.venous, inputs.organs, strict=True)
    )
    for patient, *paths in logs.progress(patients, "pseudo labels of organs"):
        arterial, venous, drawn = (volumes.read(path) for path in paths)
        pseudo = organs.pseudo_labels(
            teacher, arterial.array, venous.array, venous.spacing, **options
        )
        merged = organs.merge(pseudo, drawn.array, params.annotated)
        volumes.write(folder / f"{patient}.nii.gz", merged, like=venous)
