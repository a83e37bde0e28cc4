# Baselines: what the compared methods need beyond the tumor's views.


rule radiomics:
    """1688 radiomics features of the tumor in each phase."""
    input:
        unpack(lambda w: paths.masks("tumor", [w.patient])),
        arterial="results/registration/{patient}/arterial.nii.gz",
        venous="results/registration/{patient}/venous.nii.gz",
        registration="results/registration/{patient}/record.json",
    output:
        features="results/baselines/radiomics/{patient}.tsv",
    log:
        "logs/baselines/radiomics/{patient}.log",
    benchmark:
        "logs/benchmarks/baselines/radiomics/{patient}.tsv"
    conda:
        "../../envs/radiomics.yaml"
    threads: threads("radiomics")
    resources:
        **resources_of("radiomics"),
    params:
        code=code("radiomics_features.py"),
    script:
        "../scripts/radiomics_features.py"


rule radiomics_perturbed:
    """The same under small changes of mask and images, of a training patient; with `radiomics.robustness` alone."""
    input:
        unpack(lambda w: paths.masks("tumor", [w.patient])),
        arterial="results/registration/{patient}/arterial.nii.gz",
        venous="results/registration/{patient}/venous.nii.gz",
        features="results/baselines/radiomics/{patient}.tsv",
    output:
        features="results/baselines/perturbed/{patient}.tsv",
    log:
        "logs/baselines/perturbed/{patient}.log",
    benchmark:
        "logs/benchmarks/baselines/perturbed/{patient}.tsv"
    conda:
        "../../envs/radiomics.yaml"
    threads: threads("radiomics")
    resources:
        **resources_of("radiomics"),
    params:
        code=code("radiomics_perturbed.py"),
        seed=config["seed"],
    script:
        "../scripts/radiomics_perturbed.py"


rule robustness:
    """Which radiomics features are robust in some of a fold's training patients."""
    input:
        lambda w: paths.perturbed(w.fold),
    output:
        rows="results/baselines/fold{fold}/robustness.tsv",
    log:
        "logs/baselines/fold{fold}/robustness.log",
    benchmark:
        "logs/benchmarks/baselines/fold{fold}/robustness.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("table")
    resources:
        **resources_of("table"),
    params:
        code=code("robustness.py"),
        icc=(study.settings.robustness or {}).get("icc"),
    script:
        "../scripts/robustness.py"
