"""What a hospital may send back of one center."""

from pathlib import Path

import nodestage
from nodestage.core import files, logs, tables
from nodestage.exchange import returned
from nodestage.exchange.returned import writing

with logs.to(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    if params.rows:
        methods = zip(params.methods, given.predictions, strict=True)
        found = writing.rows(params.metastasis, {m: tables.read(path) for m, path in methods})
    else:
        found = writing.summaries(tables.read(Path(given.statistics, "performance.tsv")))
    head = {
        "nodestage": nodestage.__version__,
        "bundle": files.digest(given.manifest),
        "holds": returned.ROWS if params.rows else returned.SUMMARIES,
        "patients": len(params.metastasis),
        "positives": sum(params.metastasis.values()),
        "substituted": sum(bool(files.read_json(r).get("substituted")) for r in given.records),
        **params.told,
    }
    writing.write(snakemake.output[0], head, found, params.methods)
