"""Annotated patients of one chunk, prepared for the lymph-node networks."""

from nodestage.core import files, logs
from nodestage.lymph_nodes.preparation import prepare

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.prepared) as folder:
    inputs, params = snakemake.input, snakemake.params
    patients = files.by_patient(
        params.patients,
        arterial=inputs.arterial,
        venous=inputs.venous,
        map=inputs.maps,
        lymph_nodes=inputs.lymph_nodes,
    )
    for patient, paths in logs.progress(patients.items(), "patients prepared"):
        prepare(patient, paths, params.settings, folder / patient)
