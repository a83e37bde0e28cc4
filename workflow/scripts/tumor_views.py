"""Nine slices and a crop of one patient's tumor."""

from nodestage.core import files, logs, volumes
from nodestage.tumor import slices

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    patient = snakemake.wildcards.patient
    record = files.read_json(inputs.registration)
    if record["failed"]:
        views = {"usable": False, "reason": record["reason"], "source": "none"}
    else:
        arterial, venous = volumes.read(inputs.arterial), volumes.read(inputs.venous)
        tumor, organs = (
            volumes.read(files.masks(inputs, role, [patient])[0]).array
            for role in ("tumor", "organs")
        )
        organ = organs == params.organ
        views = slices.views(
            arterial.array,
            venous.array,
            tumor > 0,
            organ,
            venous.spacing,
            slices.ViewSettings(params.size, tuple(params.crop), params.fallback, params.pixel_mm),
        )
        if views["usable"]:
            mask = tumor > 0 if views["source"] == "tumor" else organ
            views["center_mm"] = slices.center_mm(mask, venous.spacing, venous.origin)
    slices.write(snakemake.output.views, views)
