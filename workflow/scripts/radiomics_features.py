"""Radiomics features of one patient's tumor, in both phases."""

from nodestage.core import files, logs, volumes
from nodestage.methods import radiomics

with logs.to(snakemake.log[0]):
    inputs, patient = snakemake.input, snakemake.wildcards.patient
    record = files.read_json(inputs.registration)
    if record["failed"]:
        values, reason = {}, record["reason"]
    else:
        (path,) = files.masks(inputs, "tumor", [patient])
        mask = volumes.read(path)
        phases = [volumes.read(image).array for image in (inputs.arterial, inputs.venous)]
        source = "tumor" if mask.array.any() else "none"
        values, reason = radiomics.of_patient(phases, mask.array > 0, mask.spacing, source)
    radiomics.write(snakemake.output.features, values, reason)
