"""How often each radiomics feature is chosen over the folds."""

from nodestage.core import logs, tables
from nodestage.methods.baselines import signature

COLUMNS = ["method", "feature", "folds_chosen", "folds", "mean_coefficient"]

with logs.to(snakemake.log[0]):
    rows = signature.chosen(snakemake.input.models)
    tables.write(snakemake.output.rows, rows, COLUMNS)
