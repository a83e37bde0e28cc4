"""Tables over all centers, and those of segmentation and identification."""

from pathlib import Path

from nodestage.core import files, logs, tables
from nodestage.report.printed import tables as printed
from nodestage.statistics import tables as statistics

PER_CENTER = ("performance", "comparisons", "table_1")
PER_STUDY = ("organs", "tumor", "tumor_chain", "signature")
PER_FOLD = ("classes", "nodes", "candidates", "identification")

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.folder) as folder:
    inputs, params = snakemake.input, snakemake.params
    centers = {
        center: {"role": role}
        | {name: tables.read(Path(center_folder, f"{name}.tsv")) for name in PER_CENTER}
        for (center, role), center_folder in zip(params.roles.items(), inputs.centers, strict=True)
    }
    evaluation = {name: tables.read(inputs[name]) for name in PER_STUDY if inputs.get(name)}
    for name in PER_FOLD:
        fold_tables = [Path(fold, f"{name}.tsv") for fold in inputs.lymph_nodes]
        evaluation[name] = [row for table in fold_tables for row in tables.read(table)]
    evaluation["ranges"] = params.ranges | {
        Path(path).stem.replace("fold", "fold "): files.read_json(path) for path in inputs.ranges
    }
    evaluation["robustness"] = {
        Path(path).parent.name.replace("fold", "fold "): tables.read(path)
        for path in inputs.robustness
    }
    made = statistics.study_tables(centers, evaluation, params.settings, params.seed)
    statistics.write(folder, made)
    printed.write(folder, made, params.sources)
