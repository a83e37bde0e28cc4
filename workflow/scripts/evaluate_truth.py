"""Organs, tumor and lymph nodes of simulated patients against the truth."""

from pathlib import Path

from nodestage import registration, simulator
from nodestage.core import files, logs, tables, volumes
from nodestage.metrics import voxels

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    masks = (files.masks(inputs, role, params.patients) for role in ("organs", "tumor"))
    images = (inputs.truth, inputs.grid, *masks, inputs.nodes)
    rows = []

    def add(patient, structure, true, predicted):  # noqa: D103
        overlap = voxels.overlap(true, predicted)
        rows.append(
            {"patient": patient, "center": snakemake.wildcards.center, "structure": structure}
            | dict(zip(("dice", "recall", "precision"), overlap, strict=True))
        )

    patients = list(zip(params.patients, *images, strict=True))
    for patient, truth, grid, organs, tumor, nodes in logs.progress(patients, "truth"):
        grid = volumes.read(grid)
        truth = simulator.read_truth(truth)
        known = {
            role: registration.carry_mask(truth[role][params.phase], None, grid).array
            for role in ("organs", "tumor", "nodes")
        }
        predicted = volumes.read(organs).array
        for name, label in params.labels.items():
            if (known["organs"] == label).any():
                add(patient, name, known["organs"] == label, predicted == label)
        predicted = volumes.read(tumor).array
        add(patient, "tumor", known["tumor"] > 0, predicted > 0)
        for variant in ("plain", "attention"):
            predicted = volumes.read(Path(nodes, f"{patient}.{variant}.nii.gz")).array
            add(patient, f"lymph_nodes_{variant}", known["nodes"] > 0, predicted > 0)
    tables.write(snakemake.output.rows, rows)
