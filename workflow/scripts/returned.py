"""What a hospital may return of one center."""

from pathlib import Path

import nodestage
from nodestage.core import files, logs, tables
from nodestage.exchange import returned
from nodestage.exchange.returned import writing

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    patients, positives = len(params.metastasis), sum(params.metastasis.values())
    min_cell = 0 if params.rows else params.min_cell
    if params.rows:
        methods = zip(params.methods, inputs.predictions, strict=True)
        known = {m: tables.read_patients(path, params.metastasis) for m, path in methods}
        rows = writing.rows(params.metastasis, known)
    else:
        rows = writing.summaries(tables.read(Path(inputs.statistics, "performance.tsv")), min_cell)
    head = {
        "nodestage": nodestage.__version__,
        "bundle": files.digest(inputs.manifest),
        "holds": returned.ROWS if params.rows else returned.SUMMARIES,
        "patients": patients,
        "positives": positives,
        "min_cell": min_cell,
        "substituted": sum(
            bool(r.get("substituted")) and not r.get("one_phase")
            for r in map(files.read_json, inputs.records)
        ),
        **params.head,
    }
    if writing.too_few(patients, positives, min_cell):
        writing.refuse(snakemake.output[0], min_cell)
    else:
        writing.write(snakemake.output[0], head, rows, params.methods)
