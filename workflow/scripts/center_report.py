"""The validation report of one center."""

from nodestage.core import logs
from nodestage.report import facts, pages

with logs.to(snakemake.log[0]):
    given, known, center = snakemake.input, snakemake.params.facts, snakemake.wildcards.center
    found = facts.of_center(
        known,
        predictions=facts.predictions(given.predictions, known["role"]),
        registration=facts.records(given.records),
        intake=facts.records(given.intake),
        gallery=given.gallery or None,
        manifest=given.manifest,
        thresholds=given.thresholds if known["role"] == "external" else (),
        truth=given.truth or None,
        oracle=given.oracle or None,
        quality=given.quality or None,
        learning=given.learning or None,
    )
    pages.center_page(
        center,
        known["role"],
        given.statistics,
        given.gallery or None,
        found,
        snakemake.output.html,
        discovery=given.discovery or None,
    )
