# What patients.smk and export.smk ask of the study: their files are made only on request.


def folds_of(wildcards):
    """The folds that a patient's score comes from, or an error that says why there is none."""
    if wildcards.patient not in patients.rows:
        raise WorkflowError(f"{wildcards.patient} is no patient of the sample sheet.")
    center = patients.center_of(wildcards.patient)
    if center in centers.returned:
        raise WorkflowError(
            f"{wildcards.patient}: the images stayed at {center}, where this patient's page can be made."
        )
    showing = folds.showing(wildcards.patient)
    if not showing:
        raise WorkflowError(
            f"{wildcards.patient} is scored by no fold: a page is made of external and of test patients."
        )
    return showing


def imaged_folds_of(wildcards):
    """The same; none of a patient whose images are not used."""
    showing = folds_of(wildcards)
    return showing if patients.is_imaged(wildcards.patient) else []


def references_of(wildcards):
    """Summaries of the training patients of these folds; a bundle may be older than they are."""
    files = [f"fold{fold}/reference.json" for fold in imaged_folds_of(wildcards)]
    if study.bundle and not set(files) <= set(study.bundle.digests):
        return []
    return [f"results/bundle/{file}" for file in files]


def center_of(wildcards):
    """A patient's center."""
    folds_of(wildcards)
    return patients.center_of(wildcards.patient)


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
