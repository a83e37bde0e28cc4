# Registration: the arterial CT aligned with the venous one, both on the study grid.


rule register:
    """Arterial onto venous by dense displacement sampling (DEEDS), at the study spacing."""
    input:
        ct=lambda w: [
            f"results/cohort/{w.patient}/{phase}.nii.gz"
            for phase in patients.phases(w.patient)
        ],
        spacing=lambda w: paths.median_spacing(w.patient),
    output:
        arterial="results/registration/{patient}/arterial.nii.gz",
        venous="results/registration/{patient}/venous.nii.gz",
        field="results/registration/{patient}/field.nii.gz",
        record="results/registration/{patient}/record.json",
    log:
        "logs/registration/register/{patient}.log",
    benchmark:
        "logs/benchmarks/registration/register/{patient}.tsv"
    conda:
        "../../envs/imaging.yaml"
    threads: threads("register")
    resources:
        **resources_of("register"),
    params:
        code=code("register.py"),
        phases=lambda w: patients.phases(w.patient),
        spacing=config["spacing_mm"],
        settings=config["registration"],
        one_phase=study.settings.one_phase is not None,
        substitute=lambda w: centers.substitutes(patients.center_of(w.patient)),
    script:
        "../scripts/register.py"


use rule register as register_teaching with:
    wildcard_constraints:
        patient=ORGAN_TRAINING,
    priority: 10


ruleorder: register_teaching > register


rule annotation:
    """A mask that the hospital drew, on the study grid."""
    input:
        # Where a whole center gives its own masks, a patient without one has nothing marked.
        mask=lambda w: patients.rows[w.patient][w.role] or [],
        ct=lambda w: (
            f"results/cohort/{w.patient}/{masks.phase(w.patient, w.role)}.nii.gz"
            if patients.rows[w.patient][w.role]
            else []
        ),
        # Its UIDs and its stored grid, for a mask that isn't NIfTI.
        original=lambda w: masks.original(w.patient, w.role) or [],
        grid="results/registration/{patient}/venous.nii.gz",
        field="results/registration/{patient}/field.nii.gz",
    output:
        mask="results/registration/{patient}/{role}.nii.gz",
        record="results/registration/{patient}/{role}.json",
    log:
        "logs/registration/annotation/{patient}.{role}.log",
    benchmark:
        "logs/benchmarks/registration/annotation/{patient}.{role}.tsv"
    priority: 10
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        **resources_of("annotation"),
    params:
        code=code("annotation.py"),
        mask_phase=lambda w: masks.phase(w.patient, w.role),
        label_system=lambda w: masks.label_system(w.patient, w.role),
        segments=lambda w: masks.segments(w.patient),
        series=lambda w: patients.series(w.patient, masks.phase(w.patient, w.role)),
        labels=study.settings.anatomy["labels"],
        resample=lambda w: centers.resamples_masks(patients.center_of(w.patient)),
    script:
        "../scripts/annotation.py"


rule drawn_nodes:
    """Whether the discovery center's node masks show positive nodes; checked before networks are trained."""
    input:
        [
            f"results/registration/{patient}/lymph_nodes.json"
            for patient in masks.drawn("lymph_nodes", centers.discovery)
        ],
    output:
        "results/registration/drawn_nodes.json",
    log:
        "logs/registration/drawn_nodes.log",
    priority: 30
    conda:
        "../../envs/imaging.yaml"
    params:
        code=code("drawn_nodes.py"),
        patients=masks.drawn("lymph_nodes", centers.discovery),
        metastasis=patients.metastasis(masks.drawn("lymph_nodes", centers.discovery)),
        center=centers.discovery,
    script:
        "../scripts/drawn_nodes.py"
