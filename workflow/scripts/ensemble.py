"""The folds' mean score and mean threshold for an external center, by every method."""

from nodestage.core import files, logs, predictions, tables

with logs.to(snakemake.log[0]):
    params = snakemake.params
    frozen = [files.read_json(path) for path in snakemake.input.frozen]
    paths = iter(snakemake.input.predictions)
    for method, output in zip(params.methods, snakemake.output, strict=True):
        folds = [tables.read_patients(next(paths), params.patients) for _ in params.folds]
        rows = predictions.ensemble(folds, [fold[method] for fold in frozen])
        tables.write(output, rows, predictions.COLUMNS)
