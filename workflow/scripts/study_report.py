"""The report of the whole study."""

from pathlib import Path

from nodestage.core import logs
from nodestage.report import facts, pages, records

with logs.to(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    centers = [
        records.Center(
            center,
            role,
            folder,
            page=f"{center}.html",
            summarised=center in params.summarised,
        )
        for (center, role), folder in zip(params.roles.items(), given.centers, strict=True)
    ]
    known = facts.of_study(
        params.facts,
        manifest=given.manifest,
        truth=given.truth or None,
        benchmarks=Path("logs/benchmarks"),
    )
    pages.study_page(
        given.study,
        centers,
        known,
        snakemake.output.html,
        record=given.pictures or None,
        figures=Path(snakemake.output.froc).parent,
    )
