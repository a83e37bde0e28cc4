"""Which lymph nodes of one chunk of patients are positive: a table, and a mask of the two classes."""

from pathlib import Path

from nodestage.core import checkpoints, files, logs, tables, volumes
from nodestage.identification.prediction import class_aware, classify
from nodestage.lymph_nodes.images import Images

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.masks) as folder:
    inputs, params = snakemake.input, snakemake.params
    model = checkpoints.load(inputs.model)
    rows = tables.read(Path(inputs.nodes, "instances.tsv"))
    columns = [*tables.header(Path(inputs.nodes, "instances.tsv")), "p_positive"]
    patients = list(zip(params.subsets, inputs.arterial, inputs.venous, inputs.maps, strict=True))
    for patient, *paths in logs.progress(
        patients, f"identification of {snakemake.wildcards.center}"
    ):
        images = None  # read once, and not at all for a patient without nodes
        for variant in params.variants:
            name = f"{patient}.{variant}.nii.gz"
            nodes_of = [r for r in rows if (r["patient"], r["variant"]) == (patient, variant)]
            if not nodes_of and not Path(inputs.nodes, name).exists():
                continue  # training patients are measured by one variant
            nodes = volumes.read(Path(inputs.nodes, name))
            probability = []
            if nodes_of:
                images = images or Images(
                    *(volumes.read(path).array for path in paths), nodes.spacing, patient
                )
                probability = classify(
                    model,
                    nodes_of[0]["measured_by"],
                    images,
                    nodes.array,
                    threads=snakemake.threads,
                )
            for row in nodes_of:
                row["p_positive"] = probability[int(row["instance"]) - 1]
            volumes.write(folder / name, class_aware(nodes.array, probability), like=nodes)
    tables.write(snakemake.output.instances, rows, columns)
