"""A fold's forests over candidates, and the cuts that its validation patients choose."""

from pathlib import Path

from nodestage.candidates.prediction import joined
from nodestage.candidates.training import classes_of, train_fold
from nodestage.core import logs, tables, volumes

with logs.to(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    instances = [row for path in given.instances for row in tables.read(path)]
    looks = [r for path in set(given.nodes) for r in tables.read(Path(path, "appearance.tsv"))]
    candidates = {patient: [] for patient in params.patients}
    for row in joined(instances, looks):
        if row["patient"] in candidates:
            candidates[row["patient"]].append(row)
    for patient, nodes, annotated in zip(
        params.patients, given.nodes, given.lymph_nodes, strict=True
    ):
        found = volumes.read(Path(nodes, f"{patient}.attention.nii.gz")).array
        classes = classes_of(found, volumes.read(annotated).array)
        for row in candidates[patient]:
            row["class"] = int(classes[int(row["instance"]) - 1])
    train = set(params.train)
    train_fold(
        {patient: rows for patient, rows in candidates.items() if patient in train},
        {patient: rows for patient, rows in candidates.items() if patient not in train},
        params.parts,
        params.metastasis,
        params.seed,
        snakemake.output.model,
        label=f"candidates, fold {snakemake.wildcards.fold}",
    )
