"""Pictures of each patient of a center: slices, overlays, the node that decided."""

from pathlib import Path

from nodestage.core import files, logs, tables, volumes
from nodestage.report import deciding, explaining, gallery

with logs.to(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    # A patient's nodes are those of one fold; other folds number theirs in another way.
    rows = {path: tables.read(path) for path in set(given.instances)}
    drawn = dict(zip(params.drawn, given.drawn, strict=True))
    explained = explaining.read(given.saliency) if given.saliency else {}
    images = (
        given.arterial,
        given.venous,
        given.organs,
        given.tumor,
        given.maps,
        given.nodes,
        given.instances,
        given.records,
    )
    panels = {}
    patients = list(zip(params.patients, *images, strict=True))
    for patient, arterial, venous, organs, tumor, attention, nodes, table, record in logs.progress(
        patients, f"gallery of {snakemake.wildcards.center}"
    ):
        read = volumes.read(venous)
        mine = [r for r in rows[table] if r["patient"] == patient and r["variant"] == "attention"]
        instances = volumes.read(Path(nodes, f"{patient}.attention.nii.gz")).array
        overlays = {
            "organs": volumes.read(files.of_patient(organs, patient)).array,
            "tumor": volumes.read(files.of_patient(tumor, patient)).array,
            **deciding.overlays(instances, mine),
        }
        if patient in drawn:
            truth = volumes.read(drawn[patient]).array
            overlays |= {"truth_negative": truth == 1, "truth_positive": truth == 2}
        facts = {"registration": files.read_json(record), **deciding.facts(instances, mine)}
        why = explained.get(patient)
        if why is not None:
            facts["explained"] = why["facts"]
            pancreas = overlays["organs"] == params.pancreas
            why = explaining.view(why, overlays["tumor"] > 0, pancreas, read.spacing)
        panels[patient] = gallery.patient_panel(
            patient,
            volumes.read(arterial).array,
            read.array,
            overlays,
            volumes.read(attention).array,
            read.spacing,
            facts,
            why,
        )
    gallery.write(snakemake.output.gallery, panels)
