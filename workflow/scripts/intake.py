"""One CT, checked and in canonical orientation."""

from nodestage.cohort import same
from nodestage.cohort.ct import read_ct_with_record
from nodestage.cohort.image_quality import quality
from nodestage.core import files, logs, volumes

with logs.to(snakemake.log[0]):
    wildcards = snakemake.wildcards
    volume, record = read_ct_with_record(
        snakemake.input.ct,
        patient=wildcards.patient,
        column=wildcards.phase,
        series=snakemake.params.series,
        hu_offset=snakemake.params.hu_offset,
    )
    volumes.write_volume(snakemake.output.ct, volume)
    measured = {"quality": quality(volume, record), "voxels": same.digest(volume.array)}
    files.write_json(snakemake.output.record, {**record, **measured})
