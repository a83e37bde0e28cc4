# Methods: every way to a patient's score. One job per fold fits a family of methods.


rule fit:
    """All methods of one family, fitted on a fold's T and chosen on its V."""
    input:
        unpack(
            lambda w: paths.method_inputs(
                w.family, w.fold, folds.subset(w.fold, "train", "validation")
            )
        ),
        robustness=lambda w: paths.robustness(w.family, w.fold),
    output:
        model="results/{family}/fold{fold}/model.pt",
    log:
        "logs/{family}/fold{fold}/fit.log",
    benchmark:
        "logs/benchmarks/{family}/fold{fold}/fit.tsv"
    conda:
        "../../envs/deep.yaml"
    threads: threads("fit")
    resources:
        **resources_of("fit"),
    params:
        code=lambda w: code("fit.py", *methods.sources(w.family)),
        methods=lambda w: methods.fitted(w.family),
        train=lambda w: folds.subset(w.fold, "train"),
        validation=lambda w: folds.subset(w.fold, "validation"),
        metastasis=lambda w: patients.metastasis(
            folds.subset(w.fold, "train", "validation")
        ),
        stages=lambda w: patients.stages(
            folds.subset(w.fold, "train", "validation")
            if "stages" in methods.needs(w.family)
            else []
        ),
        clinical=lambda w: patients.clinical(
            folds.subset(w.fold, "train", "validation")
        ),
        reasons=lambda w: patients.reasons(folds.subset(w.fold, "train", "validation")),
        seed=config["seed"],
    script:
        "../scripts/fit.py"


rule score:
    """Scores of one center's patients by all methods of a family, from one fold's models."""
    input:
        unpack(
            lambda w: paths.method_inputs(
                w.family, w.fold, folds.scored(w.fold, w.center)
            )
        ),
        model=lambda w: paths.model(w.family, w.center, w.fold),
    output:
        scores="results/{family}/fold{fold}/scores/{center}.tsv",
    log:
        "logs/{family}/fold{fold}/score.{center}.log",
    benchmark:
        "logs/benchmarks/{family}/fold{fold}/score.{center}.tsv"
    conda:
        "../../envs/deep.yaml"
    threads: threads("score")
    resources:
        **resources_of("score"),
    params:
        code=lambda w: code("score.py", *methods.sources(w.family)),
        methods=lambda w: methods.fitted(w.family),
        patients=lambda w: folds.scored(w.fold, w.center),
        clinical=lambda w: patients.clinical(folds.scored(w.fold, w.center)),
        reasons=lambda w: patients.reasons(folds.scored(w.fold, w.center)),
    script:
        "../scripts/score.py"
