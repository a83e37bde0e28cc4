"""The most influential slice for each patient's call, and what in it moved the score."""

from nodestage.core import checkpoints, files, logs, tables
from nodestage.methods import base, evidence, registry
from nodestage.methods.fusion import saliency
from nodestage.report import explaining

with logs.to(snakemake.log[0]):
    inputs, params, name = snakemake.input, snakemake.params, snakemake.params.method
    cls = registry.load(name)
    # The declared method's calls, as the page shows them.
    calls = {
        row["patient"]: tables.number(row["call"]) > 0
        for path in inputs.calls
        for row in tables.read(path)
        if row["subset"] in ("test", "external") and row["call"] != ""
    }
    explained = {}
    for fold, model, frozen in zip(params.folds, inputs.models, inputs.thresholds, strict=True):
        patients = [p for p, of in params.patients.items() if of == fold]
        tables_of = zip(params.patients.values(), inputs.nodes, strict=True)
        nodes = sorted({table for of, table in tables_of if of == fold})
        scans = {"records": inputs.records, "views": inputs.views, "nodes": nodes}
        data = evidence.data(scans, patients, {}, {})
        fitted = checkpoints.load(model)["methods"][name]
        if fitted["unfit"]:
            continue
        method = cls(fitted["settings"], fitted["seed"])
        method.state = fitted["state"]
        for patient, one in saliency.explain(
            method,
            base.Patients(data, patients),
            files.read_json(frozen)[name]["threshold"],
            calls,
        ).items():
            one["facts"] |= {"method": name, "fold": fold}
            explained[patient] = one
    explaining.write(snakemake.output.saliency, explained)
