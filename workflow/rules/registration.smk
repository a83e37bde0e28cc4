# Registration: the arterial CT laid onto the venous one, both on the study grid.


rule register:
    """Arterial onto venous by dense displacement sampling (DEEDS), at the study spacing."""
    input:
        ct=lambda w: [
            f"results/cohort/{w.patient}/{phase}.nii.gz"
            for phase in study.phases(w.patient)
        ],
        spacing=lambda w: median_spacing(w.patient),
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
        mem_mb=memory("register"),
        runtime=minutes("register"),
    params:
        code=code("register.py"),
        phases=lambda w: study.phases(w.patient),
        spacing=config["spacing_mm"],
        settings=config["registration"],
        substitute=lambda w: study.substitutes(study.center_of(w.patient)),
    script:
        "../scripts/register.py"


use rule register as register_teaching with:
    wildcard_constraints:
        patient=study.teaching,
    priority: 10


ruleorder: register_teaching > register


rule annotation:
    """A mask that the hospital drew, on the study grid."""
    input:
        # Where a whole center brings its own masks, a patient without one has nothing marked.
        mask=lambda w: study.rows[w.patient][w.role] or [],
        ct=lambda w: (
            f"results/cohort/{w.patient}/{study.mask_phase(w.patient, w.role)}.nii.gz"
            if study.rows[w.patient][w.role]
            else []
        ),
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
        mem_mb=memory("annotation"),
        runtime=minutes("annotation"),
    params:
        code=code("annotation.py"),
        mask_phase=lambda w: study.mask_phase(w.patient, w.role),
        label_system=lambda w: (study.label_system(w.patient, w.role)),
        labels=study.anatomy["labels"],
        resample=lambda w: study.centers[study.center_of(w.patient)].get(
            "resample_masks", False
        ),
    script:
        "../scripts/annotation.py"


rule drawn_nodes:
    """Whether the discovery center's node masks show positive nodes: stops before networks learn."""
    input:
        [
            f"results/registration/{patient}/lymph_nodes.json"
            for patient in study.annotated("lymph_nodes", study.discovery)
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
        patients=study.annotated("lymph_nodes", study.discovery),
        metastasis=study.metastasis(study.annotated("lymph_nodes", study.discovery)),
        center=study.discovery,
    script:
        "../scripts/drawn_nodes.py"
