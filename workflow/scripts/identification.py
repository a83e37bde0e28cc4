"""Probability of being positive for each lymph node of one chunk of patients."""

from pathlib import Path

from nodestage import logs, tables, volumes
from nodestage.identification.prediction import classify
from nodestage.nnunet import checkpoints

with logs.to(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    model = checkpoints.load(given.model)
    rows = tables.read(Path(given.nodes, "instances.tsv"))
    columns = [*tables.header(Path(given.nodes, "instances.tsv")), "p_positive"]
    patients = list(zip(params.subsets, given.arterial, given.venous, given.maps, strict=True))
    for patient, *paths in logs.progress(
        patients, f"identification of {snakemake.wildcards.center}"
    ):
        mine = [row for row in rows if row["patient"] == patient]
        if not mine:
            continue
        arterial, venous, attention = (volumes.read(path) for path in paths)
        for variant in sorted({row["variant"] for row in mine}):
            chosen = [row for row in mine if row["variant"] == variant]
            instances = volumes.read(Path(given.nodes, f"{patient}.{variant}.nii.gz"))
            probability = classify(
                model,
                chosen[0]["measured_by"],
                arterial.array,
                venous.array,
                attention.array,
                instances.array,
                venous.spacing,
                threads=snakemake.threads,
                patient=patient,
            )
            for row in chosen:
                row["p_positive"] = probability[int(row["instance"]) - 1]
    tables.write(snakemake.output.instances, rows, columns)
