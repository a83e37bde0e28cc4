"""Lymph nodes of one chunk of patients, as one fold's networks segment them."""

from nodestage.core import checkpoints, files, logs, tables, volumes
from nodestage.core import instances as table
from nodestage.lymph_nodes import appearance, instances
from nodestage.lymph_nodes.crossfitting import measured_by
from nodestage.lymph_nodes.images import Images
from nodestage.lymph_nodes.prediction import above_threshold, highest_probability, log_odds

ABOUT = ["confidence", "measured_by", "in_sample"]
COLUMNS = ["patient", "variant", *table.COLUMNS, *ABOUT]
LOOKS = ["patient", "variant", "instance", *appearance.COLUMNS]

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.nodes) as folder:
    inputs, params = snakemake.input, snakemake.params
    model = checkpoints.load(inputs.model)
    masks = files.masks(inputs, "organs", list(params.subsets))
    paths_of = (inputs.arterial, inputs.venous, inputs.maps, masks)
    patients = list(zip(params.subsets.items(), *paths_of, strict=True))
    rows, looks = [], []
    for (patient, subset), *paths in logs.progress(
        patients, f"lymph nodes of {snakemake.wildcards.center}"
    ):
        arterial, venous, attention, organs = (volumes.read(path) for path in paths)
        images = Images(arterial.array, venous.array, attention.array, venous.spacing, patient)
        for variant in params.settings["variants"]:
            measure = measured_by(patient, subset, variant, params.inner)
            if measure is None:
                continue
            margin = log_odds(
                model, measure.network, images, params.settings, threads=snakemake.threads
            )
            nodes = above_threshold(margin, venous.spacing, params.settings)
            confidence = highest_probability(nodes, margin)
            volumes.write(folder / f"{patient}.{variant}.nii.gz", nodes, like=venous)
            rows += [
                {"patient": patient, "variant": variant, **row}
                | {"confidence": confidence[row["instance"]]}
                | {"measured_by": measure.network, "in_sample": measure.in_sample}
                for row in instances.instance_table(
                    nodes, venous.spacing, organs.array, params.anatomy, venous.origin
                )
            ]
            if params.appearance and variant == "attention":
                seen = {
                    "arterial": images.arterial,
                    "venous": images.venous,
                    "attention": images.attention,
                    "organs": organs.array,
                    "log_odds": margin,
                }
                vessels = [params.anatomy["labels"][name] for name in params.anatomy["vessels"]]
                looks += [
                    {"patient": patient, "variant": variant, **row}
                    for row in appearance.appearance(nodes, seen, venous.spacing, vessels)
                ]
    tables.write(folder / "instances.tsv", rows, COLUMNS)
    if params.appearance:
        tables.write(folder / "appearance.tsv", looks, LOOKS)
