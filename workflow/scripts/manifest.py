"""Digest of every file of the frozen bundle, and the settings that scoring uses."""

from pathlib import Path

import nodestage
from nodestage.core import files, logs

with logs.to(snakemake.log[0]):
    parts = [Path(part) for part in snakemake.input.parts]
    home = Path(snakemake.output.manifest).parent
    settings = dict(snakemake.params.settings)
    if home / "spacing.json" in parts:  # `median`, now in numbers
        settings["spacing_mm"] = files.read_json(home / "spacing.json")["spacing_mm"]
    digests = {str(part.relative_to(home)): files.digest(part) for part in parts}
    files.write_json(
        snakemake.output.manifest,
        {
            "nodestage": nodestage.__version__,
            "code": snakemake.params.scoring,
            "sha256": digests,
            "settings": settings,
        },
        sort=False,  # the order of methods and of structures is that of every table
    )
