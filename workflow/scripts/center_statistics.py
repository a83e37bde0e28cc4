"""Every patient-level table of one center."""

from nodestage.cohort import scanning
from nodestage.core import files, logs, tables
from nodestage.report import facts
from nodestage.report.printed import tables as printed
from nodestage.statistics import cohort
from nodestage.statistics import tables as statistics

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.folder) as folder:
    params = snakemake.params
    inputs = snakemake.input
    predictions = cohort.read(inputs.predictions, params.methods, params.scored)
    nodes = [
        [row for path in part for row in tables.read(path)]
        for part in (inputs.nodes, inputs.discovery_nodes)
    ]
    contrast = files.read_json(inputs.quality)["contrast"] if inputs.quality else {}
    scanned = scanning.of_center(facts.records(inputs.intake), contrast)
    rows = [row | scanned.get(row["patient"], {}) for row in params.rows]
    made = statistics.center_tables(
        statistics.CenterRows(
            snakemake.wildcards.center,
            params.role,
            rows,
            params.discovery,
            nodes,
            stages=cohort.by_fold(inputs.stages),
            undrawn=params.undrawn,
            instances=cohort.by_fold(inputs.instances),
        ),
        predictions,
        params.settings,
        params.seed,
        {f"fold{n}": files.read_json(p) for n, p in zip(params.folds, inputs.frozen, strict=False)},
    )
    statistics.write(folder, made)
    printed.write(folder, made)
