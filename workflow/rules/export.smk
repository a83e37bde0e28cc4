# Export: one patient's results as DICOM, for the hospital's own viewer. These objects carry the patient's name and
# number. They lie outside results/, and no packet and no returned file has any of them.


def source_phase(wildcards):
    """The phase on whose grid masks lie, or an error that says why nothing can refer to it."""
    folds_of(wildcards)
    if not patients.is_imaged(wildcards.patient):
        raise WorkflowError(
            f"{wildcards.patient}: {patients.why_not_imaged(wildcards.patient)}; there is nothing to export."
        )
    phase = patients.phases(wildcards.patient)[-1]
    if not is_dicom(wildcards.patient):
        raise WorkflowError(
            f"{wildcards.patient}: its {phase} phase is a NIfTI file. DICOM objects refer to the series that images came "
            "from: name the DICOM folder in the sheet."
        )
    return phase


def is_dicom(patient):
    """Whether the sheet names a DICOM folder or file as the phase on whose grid masks lie."""
    image = patients.rows[patient][patients.phases(patient)[-1]].lower()
    return not image.endswith((".nii", ".nii.gz"))


def masks_of(wildcards, role):
    """The patient's organ labels or tumor mask."""
    source_phase(wildcards)
    return paths.masks(role, [wildcards.patient])


def exported(form):
    """The exports of all patients with a score and DICOM images, or an error that there is none."""
    found = [
        f"export/{patient}/{form}"
        for center in centers.reported
        if center not in centers.returned
        for patient in patients.imaged(center)
        if folds.showing(patient) and is_dicom(patient)
    ]
    if not found:
        raise WorkflowError(
            "No patient of this study has a score and DICOM images: there is nothing to export."
        )
    return found


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
