# Attention: where lymph nodes may lie, from distances to organs and vessels.


rule attention:
    """Attention map from the ranges of Table II (Eq. 1 and 2)."""
    input:
        unpack(lambda w: paths.masks("organs", [w.patient])),
    output:
        map="results/attention/table/{patient}.nii.gz",
        record="results/attention/table/{patient}.json",
    log:
        "logs/attention/table/{patient}.log",
    benchmark:
        "logs/benchmarks/attention/table/{patient}.tsv"
    conda:
        "../../envs/imaging.yaml"
    threads: threads("patient")
    resources:
        **resources_of("patient"),
    params:
        code=code("attention.py"),
        labels=study.settings.anatomy["labels"],
        ranges=study.settings.table_ranges,
    script:
        "../scripts/attention.py"


rule attention_ranges:
    """Ranges like Table II's from the lymph nodes of one fold's training patients."""
    input:
        unpack(lambda w: paths.masks("organs", folds.with_nodes(w.fold, "train"))),
        lymph_nodes=lambda w: [
            paths.drawn("lymph_nodes", p) for p in folds.with_nodes(w.fold, "train")
        ],
    output:
        ranges="results/attention/ranges/fold{fold}.json",
    log:
        "logs/attention/fold{fold}/ranges.log",
    benchmark:
        "logs/benchmarks/attention/fold{fold}/ranges.tsv"
    conda:
        "../../envs/imaging.yaml"
    threads: threads("center")
    resources:
        **resources_of("center", lambda w: folds.with_nodes(w.fold, "train")),
    params:
        code=code("attention_ranges.py"),
        patients=lambda w: folds.with_nodes(w.fold, "train"),
        labels=study.settings.anatomy["labels"],
        structures=study.settings.ranged,
        percentiles=config["attention"]["percentiles"],
    script:
        "../scripts/attention_ranges.py"


rule attention_fold:
    """Attention map from the ranges that a fold's training patients show."""
    input:
        unpack(lambda w: paths.masks("organs", [w.patient])),
        ranges=lambda w: paths.estimated_ranges(w.patient, w.fold),
    output:
        map="results/attention/fold{fold}/{patient}.nii.gz",
        record="results/attention/fold{fold}/{patient}.json",
    log:
        "logs/attention/fold{fold}/{patient}.log",
    benchmark:
        "logs/benchmarks/attention/fold{fold}/{patient}.tsv"
    conda:
        "../../envs/imaging.yaml"
    threads: threads("patient")
    resources:
        **resources_of("patient"),
    params:
        code=code("attention.py"),
        labels=study.settings.anatomy["labels"],
    script:
        "../scripts/attention.py"
