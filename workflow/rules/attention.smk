# Attention: where lymph nodes may lie, from distances to organs and vessels.


rule attention:
    """Attention map from the ranges of Table II (Eq. 1 and 2)."""
    input:
        organs=lambda w: organs(w.patient),
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
        mem_mb=memory("patient"),
        runtime=minutes("patient"),
    params:
        code=code("attention.py"),
        labels=study.anatomy["labels"],
        ranges=study.ranges(),
    script:
        "../scripts/attention.py"


rule attention_ranges:
    """Ranges like Table II's from the lymph nodes of one fold's training patients."""
    input:
        organs=lambda w: [organs(p) for p in study.node_trainers(w.fold)],
        lymph_nodes=lambda w: [
            annotation(p, "lymph_nodes") for p in study.node_trainers(w.fold)
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
        mem_mb=memory("center"),
        runtime=minutes("center", lambda w: study.node_trainers(w.fold)),
    params:
        code=code("attention_ranges.py"),
        patients=lambda w: study.node_trainers(w.fold),
        labels=study.anatomy["labels"],
        structures=list(study.ranges()),
        percentiles=config["attention"]["percentiles"],
    script:
        "../scripts/attention_ranges.py"


rule attention_fold:
    """Attention map from the ranges that a fold's training part shows."""
    input:
        organs=lambda w: organs(w.patient),
        ranges=lambda w: estimated_ranges(w.patient, w.fold),
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
        mem_mb=memory("patient"),
        runtime=minutes("patient"),
    params:
        code=code("attention.py"),
        labels=study.anatomy["labels"],
    script:
        "../scripts/attention.py"
