"""Which lymph nodes of one chunk of patients are positive: a table, and a mask of the two classes."""

from pathlib import Path

from nodestage.core import files, logs, tables, volumes
from nodestage.identification.prediction import class_aware, classify
from nodestage.nnunet import checkpoints

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.masks) as folder:
    given, params = snakemake.input, snakemake.params
    model = checkpoints.load(given.model)
    rows = tables.read(Path(given.nodes, "instances.tsv"))
    columns = [*tables.header(Path(given.nodes, "instances.tsv")), "p_positive"]
    patients = list(zip(params.subsets, given.arterial, given.venous, given.maps, strict=True))
    for patient, *paths in logs.progress(
        patients, f"identification of {snakemake.wildcards.center}"
    ):
        images = None  # read once, and of nobody without nodes
        for variant in params.variants:
            name = f"{patient}.{variant}.nii.gz"
            if not Path(given.nodes, name).exists():  # who trains is measured by one variant
                continue
            nodes = volumes.read(Path(given.nodes, name))
            mine = [r for r in rows if (r["patient"], r["variant"]) == (patient, variant)]
            probability = []
            if mine:
                images = images or [volumes.read(path).array for path in paths]
                probability = classify(
                    model,
                    mine[0]["measured_by"],
                    *images,
                    nodes.array,
                    nodes.spacing,
                    threads=snakemake.threads,
                    patient=patient,
                )
            for row in mine:
                row["p_positive"] = probability[int(row["instance"]) - 1]
            volumes.write(folder / name, class_aware(nodes.array, probability), like=nodes)
    tables.write(snakemake.output.instances, rows, columns)
