# Predictions: one table a method, fold and center, in which every method meets every statistic.


rule predictions:
    """Score, probability and call of each patient of a center by one fold's models."""
    input:
        scores=expand(
            "results/{family}/fold{{fold}}/scores/{{center}}.tsv",
            family=study.families,
        ),
        frozen="results/bundle/fold{fold}/thresholds.json",
    output:
        expand(
            "results/predictions/{method}/fold{{fold}}/{{center}}.tsv",
            method=study.methods,
        ),
    log:
        "logs/predictions/fold{fold}/{center}.log",
    benchmark:
        "logs/benchmarks/predictions/fold{fold}/{center}.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("table")
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=code("predictions.py"),
        methods=study.methods,
        subsets=lambda w: study.scored(w.fold, w.center),
    script:
        "../scripts/predictions.py"


rule ensemble:
    """The folds' mean score, and calls at their mean threshold, for an external center."""
    input:
        predictions=expand(
            "results/predictions/{method}/fold{fold}/{{center}}.tsv",
            method=study.methods,
            fold=study.folds,
        ),
        frozen=expand("results/bundle/fold{fold}/thresholds.json", fold=study.folds),
    output:
        expand(
            "results/predictions/{method}/ensemble/{{center}}.tsv",
            method=study.methods,
        ),
    log:
        "logs/predictions/ensemble/{center}.log",
    benchmark:
        "logs/benchmarks/predictions/ensemble/{center}.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("table")
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=code("ensemble.py"),
        methods=study.methods,
        folds=list(study.folds),
    script:
        "../scripts/ensemble.py"
