"""Predictions that a hospital returned, once they fit this study's bundle and thresholds."""

from nodestage.core import files, logs, predictions, tables
from nodestage.exchange.returned import reading

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    returned = reading.read(inputs.file, snakemake.wildcards.center, params.methods)
    reading.check_bundle(returned, files.digest(inputs.manifest))
    folds = [files.read_json(path) for path in inputs.frozen]
    frozen = {method: [fold[method] for fold in folds] for method in params.methods}
    rows = reading.predictions(returned, frozen)
    for method, output in zip(params.methods, snakemake.output, strict=True):
        tables.write(output, rows[method], predictions.COLUMNS)
