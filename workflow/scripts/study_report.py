"""The report of the whole study."""

from pathlib import Path

from nodestage.core import logs
from nodestage.report import facts, pages

with logs.to(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    centers = [
        {
            "center": center,
            "role": role,
            "statistics": folder,
            "page": f"{center}.html",
            "summarised": center in params.summarised,
        }
        for (center, role), folder in zip(params.roles.items(), given.centers, strict=True)
    ]
    found = facts.of_study(
        params.facts,
        manifest=given.manifest,
        truth=given.truth or None,
        learning=given.learning or None,
        benchmarks=Path("logs/benchmarks"),
    )
    pages.study_page(
        given.study,
        centers,
        found,
        snakemake.output.html,
        record=given.pictures or None,
        figures=Path(snakemake.output.froc).parent,
    )
