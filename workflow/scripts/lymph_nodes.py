"""Lymph nodes of one chunk of patients, as one fold's networks see them."""

from nodestage.core import files, logs, tables, volumes
from nodestage.core import instances as table
from nodestage.lymph_nodes import appearance, instances
from nodestage.lymph_nodes.crossfitting import measured_by
from nodestage.lymph_nodes.prediction import above_threshold, highest_probability, log_odds
from nodestage.nnunet import checkpoints

ABOUT = ["confidence", "measured_by", "in_sample"]
COLUMNS = ["patient", "variant", *table.COLUMNS, *ABOUT]
LOOKS = ["patient", "variant", "instance", *appearance.COLUMNS]

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.nodes) as folder:
    given, params = snakemake.input, snakemake.params
    model = checkpoints.load(given.model)
    images = (given.arterial, given.venous, given.maps, given.organs)
    patients = list(zip(params.subsets.items(), *images, strict=True))
    rows, looks = [], []
    for (patient, subset), *paths in logs.progress(
        patients, f"lymph nodes of {snakemake.wildcards.center}"
    ):
        arterial, venous, attention, organs = (
            volumes.read(files.of_patient(path, patient)) for path in paths
        )
        for variant in params.settings["variants"]:
            measure = measured_by(patient, subset, variant, params.inner)
            if measure is None:
                continue
            seen = (arterial.array, venous.array, attention.array)
            margin = log_odds(
                model,
                measure.network,
                *seen,
                venous.spacing,
                params.settings,
                threads=snakemake.threads,
                patient=patient,
            )
            found = above_threshold(margin, venous.spacing, params.settings)
            confidence = highest_probability(found, margin)
            volumes.write(folder / f"{patient}.{variant}.nii.gz", found, like=venous)
            rows += [
                {"patient": patient, "variant": variant, **row}
                | {"confidence": confidence[row["instance"]]}
                | {"measured_by": measure.network, "in_sample": measure.in_sample}
                for row in instances.instance_table(
                    found, venous.spacing, organs.array, params.anatomy, venous.origin
                )
            ]
            if params.appearance and variant == "attention":
                looks += [
                    {"patient": patient, "variant": variant, **row}
                    for row in appearance.appearance(
                        found,
                        {
                            **dict(zip(("arterial", "venous", "attention"), seen, strict=True)),
                            "organs": organs.array,
                            "log_odds": margin,
                        },
                        venous.spacing,
                        params.anatomy["labels"],
                    )
                ]
    tables.write(folder / "instances.tsv", rows, COLUMNS)
    if params.appearance:
        tables.write(folder / "appearance.tsv", looks, LOOKS)
