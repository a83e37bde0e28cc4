# Predictions: one table per method, fold and center, which every statistic reads.


rule predictions:
    """Score, probability and call of each patient of a center by one fold's models."""
    input:
        scores=expand(
            "results/{family}/fold{{fold}}/scores/{{center}}.tsv",
            family=methods.families,
        ),
        frozen="results/bundle/fold{fold}/thresholds.json",
    output:
        expand(
            "results/predictions/{method}/fold{{fold}}/{{center}}.tsv",
            method=methods.names,
        ),
    log:
        "logs/predictions/fold{fold}/{center}.log",
    benchmark:
        "logs/benchmarks/predictions/fold{fold}/{center}.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("table")
    resources:
        **resources_of("table"),
    params:
        code=code("predictions.py"),
        methods=methods.names,
        subsets=lambda w: folds.scored(w.fold, w.center),
    script:
        "../scripts/predictions.py"


rule ensemble:
    """The folds' mean score, and calls at their mean threshold, for an external center."""
    input:
        predictions=expand(
            "results/predictions/{method}/fold{fold}/{{center}}.tsv",
            method=methods.names,
            fold=folds,
        ),
        frozen=THRESHOLDS,
    output:
        expand(
            "results/predictions/{method}/ensemble/{{center}}.tsv",
            method=methods.names,
        ),
    log:
        "logs/predictions/ensemble/{center}.log",
    benchmark:
        "logs/benchmarks/predictions/ensemble/{center}.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("table")
    resources:
        **resources_of("table"),
    params:
        code=code("ensemble.py"),
        methods=methods.names,
        patients=lambda w: patients.of(w.center),
        folds=folds.numbers,
    script:
        "../scripts/ensemble.py"
