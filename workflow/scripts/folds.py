"""The table of one fold."""

from nodestage.core import logs, tables

with logs.to(snakemake.log[0]):
    rows = [{"patient": p, "subset": s} for p, s in snakemake.params.subsets.items()]
    tables.write(snakemake.output[0], rows, ["patient", "subset"])
