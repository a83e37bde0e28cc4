"""The validation report of one center."""

from nodestage.core import logs
from nodestage.core.files import whole_folder
from nodestage.report import facts, pages, records
from nodestage.report.gallery_pictures import GalleryPictures

with logs.to(snakemake.log[0]), whole_folder(snakemake.output.pictures) as beside:
    inputs, run, center = snakemake.input, snakemake.params.facts, snakemake.wildcards.center
    files = facts.CenterInputs(
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
    shown = records.Center(
        center,
        run["role"],
        inputs.statistics,
        gallery=inputs.gallery or None,
        viewer=inputs.viewer or None,
        discovery=inputs.discovery or None,
    )
    pictures = GalleryPictures(beside, f"pictures/{center}")
    pages.center_page(shown, facts.of_center(run, files), snakemake.output.html, pictures)
