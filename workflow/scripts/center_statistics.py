"""Every patient-level table of one center."""

from nodestage.core import files, logs
from nodestage.report.printed import tables as printed
from nodestage.statistics import cohort
from nodestage.statistics import tables as statistics

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.folder) as folder:
    params = snakemake.params
    predictions = cohort.read(snakemake.input, params.methods, params.scored)
    made = statistics.center_tables(
        snakemake.wildcards.center,
        params.role,
        params.rows,
        params.discovery,
        predictions,
        params.settings,
        params.seed,
    )
    statistics.write(folder, made)
    printed.write(folder, made)
