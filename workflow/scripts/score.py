"""Scores of one center's patients by every method of one family, from one fold's models."""

from nodestage.core import checkpoints, logs, tables
from nodestage.methods import base, evidence, registry

with logs.to(snakemake.log[0]):
    params = snakemake.params
    data = evidence.data(snakemake.input, list(params.patients), params.clinical, params.reasons)
    rows = base.score_family(
        checkpoints.load(snakemake.input.model),
        registry.classes(params.methods),
        data,
        list(params.patients),
    )
    details = dict.fromkeys(column for row in rows for column in row)
    columns = ["patient", "method", "score", "reason"]
    columns += [column for column in details if column not in columns]
    tables.write(snakemake.output.scores, rows, columns)
