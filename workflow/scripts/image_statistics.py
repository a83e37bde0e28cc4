"""Numbers on the examinations of one chunk of patients."""

from nodestage.cohort.image_statistics import COLUMNS, Scan, image_statistics
from nodestage.core import files, logs, tables, volumes
from nodestage.report import facts

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    intake = facts.records(inputs.intake)
    organs, tumor = (files.masks(inputs, role, params.patients) for role in ("organs", "tumor"))
    paths = (inputs.arterial, inputs.venous, organs, tumor, inputs.records)
    rows = []
    for patient, *images, record in logs.progress(
        list(zip(params.patients, *paths, strict=True)),
        f"image statistics of {snakemake.wildcards.center}",
    ):
        read = [volumes.read(path) for path in images]
        scan = Scan(*(one.array for one in read), read[1].spacing)
        found = image_statistics(scan, params.anatomy, intake[patient], files.read_json(record))
        rows.append({"patient": patient, **found})
    tables.write(snakemake.output.rows, rows, ("patient", *COLUMNS))
