"""The volume of each lymph node that a center drew (Table I)."""

from nodestage.cohort import drawn_nodes
from nodestage.core import logs, tables, volumes

with logs.to(snakemake.log[0]):
    rows = []
    for patient, path in zip(snakemake.params.patients, snakemake.input, strict=True):
        mask = volumes.read(path)
        rows += drawn_nodes.volumes_of_nodes(patient, mask.array, mask.spacing)
    tables.write(snakemake.output.rows, rows, drawn_nodes.COLUMNS)
