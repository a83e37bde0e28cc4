"""Organs and vessels against the masks drawn for testing (Table III)."""

from nodestage import files, logs, organs, tables, volumes

with logs.to(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    wanted = {name: i for name, i in params.labels.items() if i in params.annotated}
    rows = []
    for patient, predicted, drawn in zip(params.patients, given.organs, given.drawn, strict=True):
        found = volumes.read(files.of_patient(predicted, patient))
        truth = volumes.read(drawn)
        rows += [
            {"patient": patient, **row}
            for row in organs.evaluate(truth.array, found.array, truth.spacing, wanted)
        ]
    tables.write(snakemake.output.rows, rows)
