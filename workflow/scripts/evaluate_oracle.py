"""How far each method is from an oracle that knows the cues of the simulated patients."""

from pathlib import Path

from nodestage.core import files, logs, tables
from nodestage.simulator import ceiling
from nodestage.statistics import cohort, oracle

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    predictions = cohort.read(inputs.predictions, params.methods, params.scored)
    knowledge = {
        patient: files.read_json(Path(truth, "truth.json"))["oracle"]
        for patient, truth in zip(params.patients, inputs.truth, strict=True)
    }
    rows = oracle.rows(
        predictions,
        params.role,
        params.rows,
        knowledge,
        params.settings,
        ceiling.auc(params.laws),
    )
    tables.write(snakemake.output.rows, rows, oracle.COLUMNS)
