"""Score, probability and call of one center's patients, by every method of one fold."""

from nodestage.core import files, logs, predictions, tables

with logs.to(snakemake.log[0]):
    params = snakemake.params
    frozen = files.read_json(snakemake.input.frozen)
    scores = predictions.read_scores(snakemake.input.scores, params.methods, params.subsets)
    for (method, rows), path in zip(scores.items(), snakemake.output, strict=True):
        table = predictions.prediction_rows(rows, params.subsets, frozen[method], method)
        tables.write(path, table, predictions.COLUMNS)
