"""Pictures of each patient of a center, and the viewer that shows its volumes."""

from pathlib import Path

from nodestage.core import files, logs, tables, volumes
from nodestage.report import deciding, explaining, gallery
from nodestage.report.viewer import encoding, writing

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.viewer) as folder:
    inputs, params = snakemake.input, snakemake.params
    # A patient's nodes are those of one fold; other folds number their nodes differently.
    rows = {path: tables.read(path) for path in set(inputs.instances)}
    drawn = dict(zip(params.drawn, inputs.drawn, strict=True))
    explained = explaining.read(inputs.saliency) if inputs.saliency else {}
    cells = deciding.share_cells(inputs.shares, params.folds, params.explained)
    images = (
        inputs.arterial,
        inputs.venous,
        files.masks(inputs, "organs", params.patients),
        files.masks(inputs, "tumor", params.patients),
        inputs.maps,
        inputs.nodes,
        inputs.instances,
        inputs.records,
    )
    panels = {}
    viewer = writing.ViewerFolder(folder, snakemake.wildcards.center, params.labels)
    patients = list(zip(params.patients, *images, strict=True))
    for patient, arterial, venous, organs, tumor, attention, nodes, table, record in logs.progress(
        patients, f"gallery of {snakemake.wildcards.center}"
    ):
        read = volumes.read(venous)
        nodes_of = [
            row
            for row in rows[table]
            if row["patient"] == patient and row["variant"] == "attention"
        ]
        instances = volumes.read(Path(nodes, f"{patient}.attention.nii.gz")).array
        overlays = {
            "organs": volumes.read(organs).array,
            "tumor": volumes.read(tumor).array,
            **deciding.overlays(instances, nodes_of),
        }
        if patient in drawn:
            truth = volumes.read(drawn[patient]).array
            overlays |= {"truth_negative": truth == 1, "truth_positive": truth == 2}
        registration = files.read_json(record)
        # In a study with one phase both files hold the same image.
        alone = registration["substituted"] if registration.get("one_phase") else ""
        facts = {"registration": registration, **deciding.facts(instances, nodes_of)}
        if patient in cells:
            facts |= deciding.added(*cells[patient], nodes_of)
        why = explained.get(patient)
        if why is not None:
            facts["explained"] = why["facts"]
            organ = overlays["organs"] == params.organ
            why = explaining.view(why, overlays["tumor"] > 0, organ, read.spacing, alone)
        scan = gallery.Scan(
            None if alone == "venous" else volumes.read(arterial).array,
            None if alone == "arterial" else read.array,
            overlays,
            volumes.read(attention).array,
            read.spacing,
        )
        panels[patient] = gallery.patient_panel(patient, scan, facts, why)
        viewer.add(patient, encoding.encoded(scan))
    viewer.close()
    gallery.write(snakemake.output.gallery, panels)
