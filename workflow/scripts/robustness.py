"""Which radiomics features are robust in some of a fold's training patients."""

from nodestage.core import logs, tables
from nodestage.methods.radiomics import robustness as perturbed
from nodestage.statistics import robustness

with logs.to(snakemake.log[0]):
    values, reasons = perturbed.read_all(snakemake.input)
    for patient, reason in reasons.items():
        logs.say(f"{patient}: left out, {reason}")
    rows = robustness.rows(values, snakemake.params.icc)
    kept = sum(row["kept"] for row in rows)
    logs.say(
        f"{kept} of {len(rows)} features are kept, by {len(values)} patients"
        if rows
        else "no patient has features: every feature is kept"
    )
    tables.write(snakemake.output.rows, rows, robustness.COLUMNS)
