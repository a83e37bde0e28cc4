"""Summary of the examinations that one fold's models learned from; no patient's own values."""

from nodestage.core import files, logs, seals, tables
from nodestage.lymph_nodes.consensus import totals
from nodestage.statistics import reference

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    rows = {row.pop("patient"): row for path in inputs.statistics for row in tables.read(path)}
    nodes = [row for path in inputs.nodes for row in tables.read(path)]
    described = [
        {name: tables.number(text) for name, text in rows[patient].items()}
        | totals(row for row in nodes if row["patient"] == patient)
        for patient in params.train
    ]
    files.write_json(snakemake.output.reference, reference.summary(described))
    seals.add(snakemake.output.reference)
