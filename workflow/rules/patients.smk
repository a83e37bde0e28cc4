# Patients: one patient's page, for those who ask for it by name; no other rule waits for it.


rule patient_nodes:
    """Every lymph node of one patient that a fold found, each once: a table and a mask."""
    input:
        masks=lambda w: [paths.nodes(w.patient, fold) for fold in folds_of(w)],
        instances=lambda w: [paths.instances(w.patient, fold) for fold in folds_of(w)],
    output:
        nodes="results/patients/{patient}/nodes.tsv",
        mask="results/patients/{patient}/nodes.nii.gz",
    log:
        "logs/patients/{patient}/nodes.log",
    benchmark:
        "logs/benchmarks/patients/nodes/{patient}.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("patient")
    resources:
        **resources_of("patient"),
    params:
        code=code("patient_nodes.py"),
    script:
        "../scripts/patient_nodes.py"


rule patient_page:
    """One patient: score, call, nodes, what moved the score, flags, distance from the training patients."""
    input:
        predictions=lambda w: paths.predictions(center_of(w)),
        thresholds=lambda w: [paths.thresholds(fold) for fold in folds_of(w)],
        nodes=lambda w: (
            f"results/patients/{w.patient}/nodes.tsv" if imaged_folds_of(w) else []
        ),
        instances=lambda w: [
            paths.instances(w.patient, fold) for fold in imaged_folds_of(w)
        ],
        gallery=lambda w: f"results/report/gallery/{center_of(w)}.json",
        viewer=lambda w: f"results/report/viewer/{center_of(w)}",
        quality=lambda w: f"results/report/qc/{center_of(w)}.json",
        statistics=lambda w: (
            paths.image_statistics([w.patient]) if imaged_folds_of(w) else []
        ),
        references=references_of,
        manifest="results/bundle/manifest.json",
    output:
        html="results/patients/{patient}/page.html",
        record="results/patients/{patient}/record.json",
    log:
        "logs/patients/{patient}/page.log",
    benchmark:
        "logs/benchmarks/patients/page/{patient}.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("report")
    resources:
        **resources_of("report"),
    params:
        code=code("patient_page.py"),
        folds=folds_of,
        center=center_of,
        facts=lambda w: facts.report(center_of(w)),
    script:
        "../scripts/patient_page.py"
