"""Every patient-level table of one center."""

from nodestage import files, logs, tables
from nodestage.statistics import tables as statistics

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.folder) as folder:
    params = snakemake.params
    paths = iter(snakemake.input)
    predictions = {
        method: {part: tables.read(next(paths)) for part in params.parts}
        for method in params.methods
    }
    found = statistics.center_tables(
        snakemake.wildcards.center,
        params.role,
        params.rows,
        params.discovery,
        predictions,
        params.settings,
        params.seed,
    )
    statistics.write(folder, found)
