"""Thresholds and calibrations of one fold, from its validation part alone."""

from nodestage.core import files, logs, predictions, seals

with logs.to(snakemake.log[0]):
    params = snakemake.params
    scores = predictions.read_scores(snakemake.input.scores, params.methods, params.metastasis)
    frozen = predictions.freeze(
        {
            method: [row for row in rows if row["patient"] in params.metastasis]
            for method, rows in scores.items()
        },
        params.metastasis,
        params.calls,
        params.operating_point,
        keep=params.keep,
    )
    files.write_json(snakemake.output.frozen, frozen)
    seals.add(snakemake.output.frozen)
