"""The voxel of the study grid where the config has `median`: the median of all discovery images."""

from nodestage.cohort.image_quality import median_spacing
from nodestage.core import files, logs, seals

with logs.to(snakemake.log[0]):
    spacings = [files.read_json(record)["spacing_mm"] for record in snakemake.input]
    record = {"spacing_mm": median_spacing(spacings), "images": len(spacings)}
    files.write_json(snakemake.output[0], record)
    seals.add(snakemake.output[0])
