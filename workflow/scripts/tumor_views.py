"""Nine slices and a crop of one patient's tumor."""

from nodestage.core import files, logs, volumes
from nodestage.tumor import slices

with logs.to(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    patient = snakemake.wildcards.patient
    record = files.read_json(given.registration)
    if record["failed"]:
        found = {"usable": False, "reason": record["reason"], "source": "none"}
    else:
        arterial, venous = volumes.read(given.arterial), volumes.read(given.venous)
        found = slices.views(
            arterial.array,
            venous.array,
            volumes.read(files.of_patient(given.tumor, patient)).array > 0,
            volumes.read(files.of_patient(given.organs, patient)).array == params.pancreas,
            venous.spacing,
            params.size,
            tuple(params.crop),
            params.fallback,
            params.pixel_mm,
        )
    slices.write(snakemake.output.views, found)
