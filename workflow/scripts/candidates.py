"""The instances of one chunk of patients, with what a fold's forests say of each."""

from pathlib import Path

from nodestage.candidates import prediction
from nodestage.core import checkpoints, logs, tables

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    model = checkpoints.load(inputs.model)
    rows = tables.read(inputs.instances)
    part = {patient: i for i, patients in enumerate(params.parts) for patient in patients}
    known = prediction.joined(rows, tables.read(Path(inputs.nodes, "appearance.tsv")))
    answers = {}
    for patient in dict.fromkeys(row["patient"] for row in known):
        own = [row for row in known if row["patient"] == patient]
        said = prediction.classify(model, own, part.get(patient))
        for row, answer in zip(own, said, strict=True):
            answers[patient, row["variant"], row["instance"]] = answer
    for row in rows:
        row |= answers.get((row["patient"], row["variant"], row["instance"]), {})
    columns = [*tables.header(inputs.instances), *prediction.COLUMNS]
    tables.write(snakemake.output.instances, rows, columns)
