"""The report of the whole study."""

from pathlib import Path

from nodestage.core import logs
from nodestage.report import facts, pages, records

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    centers = [
        records.Center(
            center,
            role,
            folder,
            page=f"{center}.html",
            summarised=center in params.summarised,
        )
        for (center, role), folder in zip(params.roles.items(), inputs.centers, strict=True)
    ]
    report = facts.of_study(
        params.facts,
        manifest=inputs.manifest,
        truth=inputs.truth or None,
        learning=inputs.learning or None,
        benchmarks=Path("logs/benchmarks"),
    )
    pages.study_page(
        inputs.study,
        centers,
        report,
        snakemake.output.html,
        record=inputs.pictures or None,
        figures=Path(snakemake.output.froc).parent,
    )
