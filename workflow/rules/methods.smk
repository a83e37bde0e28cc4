# Methods: every way to a patient's score. A family of methods is fitted by one job a fold.


rule fit:
    """All methods of one family, fitted on a fold's T and chosen on its V."""
    input:
        unpack(lambda w: method_inputs(w, study.subset(w.fold, "train", "validation"))),
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
        mem_mb=memory("fit"),
        runtime=minutes("fit"),
        gpu=gpus("fit"),
    params:
        code=lambda w: code("fit.py", *study.sources(w.family)),
        methods=lambda w: study.families[w.family],
        train=lambda w: study.subset(w.fold, "train"),
        validation=lambda w: study.subset(w.fold, "validation"),
        metastasis=lambda w: study.metastasis(
            study.subset(w.fold, "train", "validation")
        ),
        clinical=lambda w: study.clinical(study.subset(w.fold, "train", "validation")),
        reasons=lambda w: study.reasons(study.subset(w.fold, "train", "validation")),
        seed=config["seed"],
    script:
        "../scripts/fit.py"


rule score:
    """Scores of one center's patients by all methods of a family, from one fold's models."""
    input:
        unpack(lambda w: method_inputs(w, study.scored(w.fold, w.center))),
        model=lambda w: model(w.family, w.center, w.fold),
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
        mem_mb=memory("score"),
        runtime=minutes("score"),
        gpu=gpus("score"),
    params:
        code=lambda w: code("score.py", *study.sources(w.family)),
        methods=lambda w: study.families[w.family],
        patients=lambda w: study.scored(w.fold, w.center),
        clinical=lambda w: study.clinical(study.scored(w.fold, w.center)),
        reasons=lambda w: study.reasons(study.scored(w.fold, w.center)),
    script:
        "../scripts/score.py"
