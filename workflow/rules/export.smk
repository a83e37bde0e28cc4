# Export: one patient's results as DICOM, for the hospital's own viewer. These objects carry the patient's name and
# number. They lie outside results/, and no packet and no returned file has any of them.


rule export_seg:
    """Lymph nodes, tumor and organs of one patient as DICOM segmentations on the hospital's series."""
    input:
        unpack(lambda w: masks_of(w, "organs")),
        unpack(lambda w: masks_of(w, "tumor")),
        ct=lambda w: patients.rows[w.patient][source_phase(w)],
        nodes="results/patients/{patient}/nodes.tsv",
        mask="results/patients/{patient}/nodes.nii.gz",
        manifest="results/bundle/manifest.json",
    output:
        folder=directory("export/{patient}/seg"),
    log:
        "logs/export/{patient}/seg.log",
    conda:
        "../../envs/imaging.yaml"
    threads: threads("patient")
    resources:
        **resources_of("patient"),
    params:
        code=code("export_seg.py"),
        phase=source_phase,
        series=lambda w: patients.series(w.patient, source_phase(w)),
        labels=study.settings.anatomy["labels"],
        organ=study.settings.anatomy["tumor_organ"],
    script:
        "../scripts/export_seg.py"


rule export_sr:
    """Size and probability of each lymph node of one patient, and the score, as a structured report."""
    input:
        ct=lambda w: patients.rows[w.patient][source_phase(w)],
        seg="export/{patient}/seg",
        nodes="results/patients/{patient}/nodes.tsv",
        record="results/patients/{patient}/record.json",
        manifest="results/bundle/manifest.json",
    output:
        folder=directory("export/{patient}/sr"),
    log:
        "logs/export/{patient}/sr.log",
    conda:
        "../../envs/imaging.yaml"
    threads: threads("patient")
    resources:
        **resources_of("patient"),
    params:
        code=code("export_sr.py"),
        phase=source_phase,
        series=lambda w: patients.series(w.patient, source_phase(w)),
    script:
        "../scripts/export_sr.py"


rule export_keyimages:
    """Slices of one patient with outlines, as secondary captures."""
    input:
        unpack(lambda w: masks_of(w, "tumor")),
        ct=lambda w: patients.rows[w.patient][source_phase(w)],
        nodes="results/patients/{patient}/nodes.tsv",
        mask="results/patients/{patient}/nodes.nii.gz",
        manifest="results/bundle/manifest.json",
    output:
        folder=directory("export/{patient}/keyimages"),
    log:
        "logs/export/{patient}/keyimages.log",
    conda:
        "../../envs/imaging.yaml"
    threads: threads("patient")
    resources:
        **resources_of("patient"),
    params:
        code=code("export_keyimages.py"),
        phase=source_phase,
        series=lambda w: patients.series(w.patient, source_phase(w)),
    script:
        "../scripts/export_keyimages.py"


rule all_seg:
    """The segmentations of every patient with a score and DICOM images."""
    input:
        lambda w: exported("seg"),


rule all_sr:
    """The structured report of each of them."""
    input:
        lambda w: exported("sr"),


rule all_keyimages:
    """The key images of each of them."""
    input:
        lambda w: exported("keyimages"),


localrules:
    all_seg,
    all_sr,
    all_keyimages,
