"""The slice that spoke most for each patient's call, and what in it moved the score."""

from nodestage.core import files, logs, tables
from nodestage.methods import base, evidence
from nodestage.methods.fusion import saliency
from nodestage.nnunet import checkpoints
from nodestage.report import explaining

with logs.to(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    name, family = params.explained
    # The declared method's calls, as the page shows them.
    calls = {
        row["patient"]: tables.number(row["call"]) > 0
        for path in given.calls
        for row in tables.read(path)
        if row["subset"] in ("test", "external") and row["call"] != ""
    }
    found = {}
    for fold, model, frozen in zip(params.folds, given.models, given.thresholds, strict=True):
        patients = [p for p, of in params.patients.items() if of == fold]
        seen = zip(params.patients.values(), given.nodes, strict=True)
        nodes = sorted({table for of, table in seen if of == fold})
        scans = {"records": given.records, "views": given.views, "nodes": nodes}
        data = evidence.data(scans, patients, {}, {})
        fitted = checkpoints.load(model)["methods"][name]
        if fitted["unfit"]:
            continue
        method = evidence.classes(family, [name])[name](fitted["settings"], fitted["seed"])
        method.state = fitted["state"]
        for patient, one in saliency.explain(
            method,
            base.Patients(data, patients),
            files.read_json(frozen)[name]["threshold"],
            calls,
        ).items():
            one["facts"] |= {"method": name, "fold": fold}
            found[patient] = one
    explaining.write(snakemake.output.saliency, found)
