"""Whether an image was given twice, or the phases of a patient are of two persons."""

from nodestage.cohort import same
from nodestage.core import files, logs

with logs.to(snakemake.log[0]):
    places = [tuple(place) for place in snakemake.params.places]
    records = {
        place: files.read_json(path) for place, path in zip(places, snakemake.input, strict=True)
    }
    marks = {place: record["voxels"] for place, record in records.items()}
    same.check(marks)
    same.check_persons(records)
    files.write_json(snakemake.output[0], {"images": len(marks)})
