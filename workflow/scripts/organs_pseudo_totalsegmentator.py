"""TotalSegmentator's labels in our numbers, joined with the vessels that were drawn by hand."""

from nodestage.cohort import labels
from nodestage.core import files, logs, totalsegmentator, volumes
from nodestage.organs.labels import merge

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.labels) as folder:
    inputs, params = snakemake.input, snakemake.params
    system = totalsegmentator.label_system(known=params.labels)
    for patient, *paths in zip(
        params.patients, inputs.made, inputs.venous, inputs.organs, strict=True
    ):
        made, venous, drawn = (volumes.read(path) for path in paths)
        volumes.check_same_grid(patient, "TotalSegmentator's labels", made, venous)
        ours = labels.map_labels(made.array.astype("uint8"), system, params.labels)
        merged = merge(ours, drawn.array, params.annotated)
        volumes.write(folder / f"{patient}.nii.gz", merged, like=venous)
