"""Whether two images are the same: both phases of a patient, or images of two patients."""

from nodestage.cohort import same
from nodestage.core import files, logs

with logs.to(snakemake.log[0]):
    images = [tuple(image) for image in snakemake.params.images]
    records = {
        image: files.read_json(path) for image, path in zip(images, snakemake.input, strict=True)
    }
    voxels = {image: record["voxels"] for image, record in records.items()}
    same.check(voxels)
    same.check_persons(records)
    files.write_json(snakemake.output[0], {"images": len(voxels)})
