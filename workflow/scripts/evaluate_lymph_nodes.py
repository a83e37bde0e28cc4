"""One fold's lymph nodes against the annotated ones of its test patients (Tables IV and V)."""

from pathlib import Path

from nodestage.candidates.patients import called_nodes
from nodestage.core import files, logs, tables, volumes
from nodestage.identification.prediction import on_ground_truth
from nodestage.lymph_nodes.instances import instance_table
from nodestage.metrics.instances import label_instances
from nodestage.metrics.lymph_nodes import evaluate_lymph_nodes
from nodestage.nnunet import checkpoints

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.rows) as folder:
    given, params, fold = snakemake.input, snakemake.params, snakemake.wildcards.fold
    patients = files.by_patient(
        params.patients,
        arterial=given.arterial,
        venous=given.venous,
        map=given.maps,
        lymph_nodes=given.drawn,
    )
    known = [row for path in given.instances for row in tables.read(path)]
    found = {"classes": [], "nodes": [], "candidates": [], "identification": []}
    for patient, organs, nodes in logs.progress(
        list(zip(params.patients, given.organs, given.nodes, strict=True)), f"fold {fold}"
    ):
        drawn = volumes.read(patients[patient]["lymph_nodes"])
        labels = volumes.read(files.of_patient(organs, patient)).array
        attention = volumes.read(patients[patient]["map"]).array
        true_nodes = label_instances(drawn.array)
        stations = {
            row["instance"]: row["station"]
            for row in instance_table(true_nodes, drawn.spacing, labels, params.anatomy)
        }
        seen = {}
        for variant in params.variants:
            own = [r for r in known if (r["patient"], r["variant"]) == (patient, variant)]
            seen[variant] = (
                volumes.read(Path(nodes, f"{patient}.{variant}.nii.gz")).array,
                {int(row["instance"]): tables.number(row["p_positive"]) for row in own},
                {int(row["instance"]): tables.number(row["confidence"]) for row in own},
            )
        if params.candidates:
            own = [r for r in known if (r["patient"], r["variant"]) == (patient, "attention")]
            seen["candidates"] = called_nodes(seen["attention"][0], own)
        for variant, (instances, positive, confidence) in seen.items():
            rows = evaluate_lymph_nodes(
                drawn.array,
                instances,
                positive,
                drawn.spacing,
                organs=labels,
                attention=attention,
                truth_stations=stations,
                confidence=confidence,
            )
            for kind, some in rows.items():
                found[kind] += [
                    {"fold": fold, "patient": patient, "variant": variant} | row for row in some
                ]
    model = checkpoints.load(given.model)
    for variant in params.variants:
        if variant in model["networks"]:
            rows = on_ground_truth(model, variant, patients, threads=snakemake.threads)
            found["identification"] += [{"fold": fold, "variant": variant} | row for row in rows]
    for kind, rows in found.items():
        tables.write(folder / f"{kind}.tsv", rows, list(rows[0]) if rows else ["fold", "patient"])
