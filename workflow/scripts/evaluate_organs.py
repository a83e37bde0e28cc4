"""Organs and vessels by teacher and student against masks drawn for testing (Table III)."""

from nodestage import organs
from nodestage.core import files, logs, tables, volumes

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    wanted = {name: i for name, i in params.labels.items() if i in params.annotated}
    learned = organs.labels_in(files.read_json(record) for record in inputs.training)
    teacher = organs.open_model(inputs.teacher) if inputs.teacher else None
    if teacher is not None:
        learned |= set(teacher.model.get("learned_labels", ()))
    masks = files.masks(inputs, "organs", params.patients)
    images = (inputs.arterial, inputs.venous, masks, inputs.drawn, inputs.registration)
    rows = []
    for patient, arterial, venous, predicted, drawn, record in logs.progress(
        list(zip(params.patients, *images, strict=True)), "organs against drawn masks"
    ):
        truth = volumes.read(drawn)
        case = organs.Case(
            patient,
            truth.array,
            {"arterial": volumes.read(arterial).array, "venous": volumes.read(venous).array},
            truth.spacing,
            files.read_json(record).get("substituted"),
        )
        rows += organs.evaluate_networks(
            case,
            wanted,
            student=volumes.read(predicted).array,
            teacher=teacher,
            learned=learned,
            threads=snakemake.threads,
            mirror=params.mirror,
        )
    tables.write(snakemake.output.rows, rows)
