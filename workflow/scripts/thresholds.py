"""Thresholds and calibrations of one fold, from its validation part alone."""

from nodestage.core import files, logs, predictions, tables

with logs.to(snakemake.log[0]):
    params = snakemake.params
    scores = {method: {} for method in params.methods}
    for path in snakemake.input.scores:
        for row in tables.read(path):
            if row["patient"] in params.metastasis:
                scores[row["method"]][row["patient"]] = row["score"]
    frozen = predictions.freeze(
        {
            m: [{"patient": p, "score": s} for p, s in of_method.items()]
            for m, of_method in scores.items()
        },
        params.metastasis,
        params.calls,
    )
    files.write_json(snakemake.output.frozen, frozen)
