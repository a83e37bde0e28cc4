"""Radiomics features of one patient's tumor, in both phases."""

from nodestage.core import files, logs, volumes
from nodestage.methods import radiomics

with logs.to(snakemake.log[0]):
    given, patient = snakemake.input, snakemake.wildcards.patient
    record = files.read_json(given.registration)
    if record["failed"]:
        values, reason = {}, record["reason"]
    else:
        mask = volumes.read(files.of_patient(given.tumor, patient))
        phases = [volumes.read(path).array for path in (given.arterial, given.venous)]
        source = "tumor" if mask.array.any() else "none"
        values, reason = radiomics.of_patient(phases, mask.array > 0, mask.spacing, source)
    radiomics.write(snakemake.output.features, values, reason)
