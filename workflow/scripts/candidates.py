"""The instances of one chunk of patients, with the probabilities of a fold's forests."""

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
        candidates = [row for row in known if row["patient"] == patient]
        probabilities = prediction.classify(model, candidates, part.get(patient))
        for row, answer in zip(candidates, probabilities, strict=True):
            answers[patient, row["variant"], row["instance"]] = answer
    for row in rows:
        row |= answers.get((row["patient"], row["variant"], row["instance"]), {})
    columns = [*tables.header(inputs.instances), *prediction.COLUMNS]
    tables.write(snakemake.output.instances, rows, columns)
