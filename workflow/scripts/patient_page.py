"""One patient's page, and its record."""

from nodestage.core import files, logs, tables
from nodestage.report import facts, gallery, patient_page, patient_record
from nodestage.report.patient_page import REPORT
from nodestage.report.viewer import writing as viewer

with logs.to(snakemake.log[0]):
    inputs, params, patient = snakemake.input, snakemake.params, snakemake.wildcards.patient
    entries = gallery.read(inputs.gallery)
    entry = entries.get(patient)
    quality = files.read_json(inputs.quality)
    run = facts.Run.of(params.facts, **facts.about_the_run(inputs.manifest))
    statistics = [r for path in inputs.statistics for r in tables.read(path)]
    instances = {
        fold: [row for row in tables.read(path) if row["patient"] == patient]
        for fold, path in zip(params.folds, inputs.instances, strict=False)
    }
    of = patient_record.Tables(
        patient_record.predictions(inputs.predictions, patient),
        params.folds,
        facts.mean_thresholds(inputs.thresholds),
        tables.read(inputs.nodes) if inputs.nodes else (),
        instances,
        next((row for row in statistics if row["patient"] == patient), {}),
    )
    record = patient_record.record(
        patient,
        of,
        [files.read_json(path) for path in inputs.references],
        {
            "study": run.study,
            "model_digest": run.model_digest,
            "declared": run.primary["method"],
            "flags": [flag["text"] for flag in quality["flags"].get(patient, [])],
            "center_notes": quality["notes"],
            "changed_at_intake": quality["changes"].get(patient, {}),
            "explained": (entry or {}).get("facts", {}).get("explained"),
            "node_shares": (entry or {}).get("facts", {}).get("node_shares"),
            "warnings": list(run.warnings),
        },
    )
    files.write_json(snakemake.output.record, record, sort=False)
    row = next(row for row in params.facts["rows"] if row["patient"] == patient)
    opens = viewer.addresses(entries, params.center).get(patient)
    patient_page.page(record, run, entry, row, snakemake.output.html, opens and REPORT + opens)
