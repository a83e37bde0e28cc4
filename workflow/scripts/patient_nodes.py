"""The lymph nodes of one patient, over the folds that score the patient."""

from pathlib import Path

from nodestage.core import logs, tables, volumes
from nodestage.lymph_nodes import consensus

with logs.to(snakemake.log[0]):
    inputs, patient = snakemake.input, snakemake.wildcards.patient
    masks = [volumes.read(Path(f, f"{patient}.{consensus.VARIANT}.nii.gz")) for f in inputs.masks]
    rows = [
        [
            r
            for r in tables.read(path)
            if (r["patient"], r["variant"]) == (patient, consensus.VARIANT)
        ]
        for path in inputs.instances
    ]
    labels, nodes = consensus.merge_folds([mask.array for mask in masks], rows, masks[0].spacing)
    volumes.write(snakemake.output.mask, labels, like=masks[0])
    tables.write(snakemake.output.nodes, nodes, consensus.COLUMNS)
