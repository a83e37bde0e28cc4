"""The validation report of one center."""

from nodestage.core import logs
from nodestage.report import facts, pages, records

with logs.to(snakemake.log[0]):
    given, known, center = snakemake.input, snakemake.params.facts, snakemake.wildcards.center
    inputs = facts.CenterInputs(
        predictions=facts.predictions(given.predictions, known["role"]),
        registration=facts.records(given.records),
        intake=facts.records(given.intake),
        gallery=given.gallery or None,
        manifest=given.manifest,
        thresholds=given.thresholds if known["role"] == "external" else (),
        truth=given.truth or None,
        oracle=given.oracle or None,
        quality=given.quality or None,
    )
    shown = records.Center(
        center,
        known["role"],
        given.statistics,
        gallery=given.gallery or None,
        discovery=given.discovery or None,
    )
    pages.center_page(shown, facts.of_center(known, inputs), snakemake.output.html)
