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
