"""One fold's lymph nodes against the annotated ones of its test patients (Tables IV and V)."""

from pathlib import Path

from nodestage import files, logs, metrics, tables, volumes
from nodestage.identification.prediction import on_ground_truth
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
    positive = {}
    for path in given.instances:
        for row in tables.read(path):
            found = positive.setdefault((row["patient"], row["variant"]), {})
            found[int(row["instance"])] = tables.number(row["p_positive"])
    found = {"classes": [], "nodes": [], "candidates": [], "identification": []}
    for patient, organs, nodes in logs.progress(
        list(zip(params.patients, given.organs, given.nodes, strict=True)), f"fold {fold}"
    ):
        drawn = volumes.read(patients[patient]["lymph_nodes"])
        labels = volumes.read(files.of_patient(organs, patient)).array
        attention = volumes.read(patients[patient]["map"]).array
        for variant in params.variants:
            rows = metrics.evaluate_lymph_nodes(
                drawn.array,
                volumes.read(Path(nodes, f"{patient}.{variant}.nii.gz")).array,
                positive.get((patient, variant), {}),
                drawn.spacing,
                organs=labels,
                attention=attention,
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
