"""One fold's lymph nodes against the annotated ones of its test patients (Tables IV and V)."""

from pathlib import Path

from nodestage.candidates.patients import called_nodes
from nodestage.core import checkpoints, files, logs, tables, volumes
from nodestage.identification.prediction import on_ground_truth
from nodestage.lymph_nodes import stations
from nodestage.lymph_nodes.instances import instance_table
from nodestage.metrics.instances import label_instances
from nodestage.metrics.lymph_nodes import Context, evaluate_lymph_nodes

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.rows) as folder:
    inputs, params, fold = snakemake.input, snakemake.params, snakemake.wildcards.fold
    patients = files.by_patient(
        params.patients,
        arterial=inputs.arterial,
        venous=inputs.venous,
        map=inputs.maps,
        lymph_nodes=inputs.drawn,
    )
    identified = [row for path in inputs.instances for row in tables.read(path)]
    tables_of = {"classes": [], "nodes": [], "candidates": [], "identification": []}
    masks = files.masks(inputs, "organs", params.patients)
    for patient, organs, nodes in logs.progress(
        list(zip(params.patients, masks, inputs.nodes, strict=True)), f"fold {fold}"
    ):
        drawn = volumes.read(patients[patient]["lymph_nodes"])
        labels = volumes.read(organs).array
        attention = volumes.read(patients[patient]["map"]).array
        true_nodes = label_instances(drawn.array)
        drawn_table = instance_table(true_nodes, drawn.spacing, labels, params.anatomy)
        station_of = {row["instance"]: row["station"] for row in drawn_table}
        identified_by = {}
        segmented = {}
        for variant in params.variants:
            identified_of = [
                r for r in identified if (r["patient"], r["variant"]) == (patient, variant)
            ]
            instances = volumes.read(Path(nodes, f"{patient}.{variant}.nii.gz")).array
            segmented[variant] = (
                instances,
                {int(row["instance"]): tables.number(row["p_positive"]) for row in identified_of},
                {int(row["instance"]): tables.number(row["confidence"]) for row in identified_of},
            )
            if params.candidates and variant == "attention":
                segmented["candidates"] = called_nodes(instances, identified_of)
                identified_by["candidates"] = identified_of
            identified_by[variant] = identified_of
        for variant, (instances, positive, confidence) in segmented.items():
            context = Context(labels, attention, station_of, confidence)
            rows = evaluate_lymph_nodes(
                drawn.array, instances, positive, drawn.spacing, context=context
            )
            rows["nodes"] = stations.beside(rows["nodes"], "node", drawn_table)
            rows["candidates"] = stations.beside(
                rows["candidates"], "instance", identified_by[variant]
            )
            for kind, some in rows.items():
                tables_of[kind] += [
                    {"fold": fold, "patient": patient, "variant": variant} | row for row in some
                ]
    model = checkpoints.load(inputs.model)
    for variant in params.variants:
        if variant in model["networks"]:
            rows = on_ground_truth(model, variant, patients, threads=snakemake.threads)
            tables_of["identification"] += [
                {"fold": fold, "variant": variant} | row for row in rows
            ]
    for kind, rows in tables_of.items():
        tables.write(folder / f"{kind}.tsv", rows, list(rows[0]) if rows else ["fold", "patient"])
