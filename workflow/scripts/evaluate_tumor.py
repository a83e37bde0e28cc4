"""Tumor masks against the drawn ones (Section IV-B)."""

from nodestage.core import files, logs, tables, volumes
from nodestage.tumor import masks

with logs.to(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    rows = []
    for patient, predicted, drawn in zip(params.patients, given.tumor, given.drawn, strict=True):
        truth = volumes.read(drawn)
        found = volumes.read(files.of_patient(predicted, patient))
        row = masks.evaluate(truth.array, found.array, truth.spacing)
        rows.append({"patient": patient, **row})
    tables.write(snakemake.output.rows, rows)
