"""Tumor masks against the drawn ones (Section IV-B)."""

from nodestage.core import files, logs, tables, volumes
from nodestage.tumor import masks

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    rows = []
    predictions = files.masks(inputs, "tumor", params.patients)
    for patient, path, drawn in zip(params.patients, predictions, inputs.drawn, strict=True):
        truth = volumes.read(drawn)
        predicted = volumes.read(path)
        row = masks.evaluate(truth.array, predicted.array, truth.spacing)
        rows.append({"patient": patient, **row})
    tables.write(snakemake.output.rows, rows)
