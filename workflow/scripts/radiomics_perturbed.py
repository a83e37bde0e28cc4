"""Radiomics features of one patient's tumor under small changes of its mask and images."""

from nodestage.core import files, logs, seeds, volumes
from nodestage.methods import radiomics
from nodestage.methods.radiomics import robustness

with logs.to(snakemake.log[0]):
    inputs, patient = snakemake.input, snakemake.wildcards.patient
    values, reason = radiomics.read(inputs.features)
    if not reason:
        (path,) = files.masks(inputs, "tumor", [patient])
        mask = volumes.read(path)
        phases = [volumes.read(image).array for image in (inputs.arterial, inputs.venous)]
        seed = seeds.derived(snakemake.params.seed, "perturbed", patient)
        values, reason = robustness.of_patient(values, phases, mask.array > 0, mask.spacing, seed)
    robustness.write(snakemake.output.features, values, reason)
