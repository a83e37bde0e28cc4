"""The slice that spoke most for each patient's call, and what in it moved the score."""

from nodestage import evidence, files, logs, methods
from nodestage.fusion import saliency
from nodestage.nnunet import checkpoints
from nodestage.report import explaining

with logs.to(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    name, family = params.explained
    found = {}
    for fold, model, frozen in zip(params.folds, given.models, given.thresholds, strict=True):
        patients = [p for p, of in params.patients.items() if of == fold]
        tables = zip(params.patients.values(), given.nodes, strict=True)
        nodes = sorted({table for of, table in tables if of == fold})
        scans = {"records": given.records, "views": given.views, "nodes": nodes}
        data = evidence.data(scans, patients, {}, {})
        fitted = checkpoints.load(model)["methods"][name]
        if fitted["unfit"]:
            continue
        method = evidence.classes(family, [name])[name](fitted["settings"], fitted["seed"])
        method.state = fitted["state"]
        for patient, one in saliency.explain(
            method,
            methods.Patients(data, patients),
            files.read_json(frozen)[name]["threshold"],
        ).items():
            one["facts"] |= {"method": name, "fold": fold}
            found[patient] = one
    explaining.write(snakemake.output.saliency, found)
