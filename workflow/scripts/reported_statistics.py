"""Tables of a center that returned summaries alone."""

from nodestage.core import files, logs
from nodestage.exchange.returned import reading
from nodestage.report.printed import tables as printed
from nodestage.statistics import tables as statistics

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.folder) as folder:
    inputs, params = snakemake.input, snakemake.params
    returned = reading.read(inputs.file, snakemake.wildcards.center, params.methods)
    reading.check_bundle(returned, files.digest(inputs.manifest))
    counts = (int(returned.head[key]) for key in ("patients", "positives"))
    reported = reading.performance(returned)
    made = statistics.reported_tables(reported, *counts, params.discovery)
    statistics.write(folder, made)
    printed.write(folder, made)
