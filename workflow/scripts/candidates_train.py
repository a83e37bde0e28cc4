"""A fold's forests over candidates, and the cuts that its validation patients choose."""

from pathlib import Path

from nodestage.candidates.prediction import joined
from nodestage.candidates.training import (
    FoldCandidates,
    annotated_nodes,
    classes_of,
    train_fold,
)
from nodestage.core import checkpoints, logs, seeds, tables, volumes

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    instances, looks = (
        [row for path in sorted(set(inputs.nodes)) for row in tables.read(Path(path, name))]
        for name in ("instances.tsv", "appearance.tsv")
    )
    candidates = {patient: [] for patient in params.patients}
    for row in joined(instances, looks):
        if row["patient"] in candidates:
            candidates[row["patient"]].append(row)
    train, annotated = set(params.train), {}
    files = (inputs.nodes, inputs.lymph_nodes, inputs.arterial, inputs.venous)
    for patient, nodes, drawn, *scans in zip(params.patients, *files, strict=True):
        mask = volumes.read(drawn)
        segmented = volumes.read(Path(nodes, f"{patient}.attention.nii.gz"))
        classes = classes_of(segmented.array, mask.array)
        for row in candidates[patient]:
            row["class"] = int(classes[int(row["instance"]) - 1])
        if patient in train:
            arterial, venous = (volumes.read(path).array for path in scans)
            drawn_anew = seeds.derived(params.seed, "candidates", patient)
            annotated[patient] = annotated_nodes(mask, arterial, venous, drawn_anew)
    fold = FoldCandidates(
        {patient: rows for patient, rows in candidates.items() if patient in train},
        {patient: rows for patient, rows in candidates.items() if patient not in train},
        annotated,
        params.parts,
        params.metastasis,
    )
    model = train_fold(fold, params.seed, f"candidates, fold {snakemake.wildcards.fold}")
    checkpoints.save(snakemake.output.model, model)
