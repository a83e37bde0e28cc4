"""The validation report of one center."""

from nodestage.core import logs
from nodestage.report import facts, pages

with logs.to(snakemake.log[0]):
    inputs, run, center = snakemake.input, snakemake.params.facts, snakemake.wildcards.center
    report = facts.of_center(
        run,
        predictions=facts.predictions(inputs.predictions, run["role"]),
        registration=facts.records(inputs.records),
        intake=facts.records(inputs.intake),
        gallery=inputs.gallery or None,
        manifest=inputs.manifest,
        thresholds=inputs.thresholds if run["role"] == "external" else (),
        truth=inputs.truth or None,
        oracle=inputs.oracle or None,
        quality=inputs.quality or None,
        learning=inputs.learning or None,
    )
    pages.center_page(
        center,
        run["role"],
        inputs.statistics,
        inputs.gallery or None,
        report,
        snakemake.output.html,
        discovery=inputs.discovery or None,
    )
