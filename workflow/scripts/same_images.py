"""Whether an image stands in two places: in both phases of a patient, or with two patients."""

from nodestage.cohort import same
from nodestage.core import files, logs

with logs.to(snakemake.log[0]):
    places = [tuple(place) for place in snakemake.params.places]
    marks = {
        place: files.read_json(path)["voxels"]
        for place, path in zip(places, snakemake.input, strict=True)
    }
    same.check(marks)
    files.write_json(snakemake.output[0], {"images": len(marks)})
