# Identification: which of the segmented lymph nodes are positive.


rule identification_train:
    """All identification networks of a fold, each started from its segmentation network."""
    input:
        unpack(lambda w: paths.images(folds.node_networks(w.fold))),
        maps=lambda w: [paths.attention(p, w.fold) for p in folds.node_networks(w.fold)],
        lymph_nodes=lambda w: [
            paths.drawn("lymph_nodes", p) for p in folds.node_networks(w.fold)
        ],
        segmentation="results/lymph_nodes/fold{fold}/model.pt",
    output:
        model="results/identification/fold{fold}/model.pt",
    log:
        "logs/identification/fold{fold}/train.log",
    benchmark:
        "logs/benchmarks/identification/fold{fold}/train.tsv"
    conda:
        "../../envs/deep.yaml"
    threads: threads("train")
    resources:
        **resources_of("train"),
    params:
        code=code("identification_train.py"),
        patients=lambda w: folds.node_networks(w.fold),
        train=lambda w: folds.subset(w.fold, "train"),
        validation=lambda w: folds.subset(w.fold, "validation"),
        inner=lambda w: folds.inner(w.fold),
        settings=study.settings.training("identification"),
        seed=config["seed"],
    script:
        "../scripts/identification_train.py"


rule identification:
    """Which lymph nodes of one chunk of patients are positive: a table and masks."""
    input:
        unpack(lambda w: paths.images(folds.measured(w.fold, w.center, w.chunk))),
        maps=lambda w: [
            paths.attention(p, w.fold)
            for p in folds.measured(w.fold, w.center, w.chunk)
        ],
        nodes="results/lymph_nodes/fold{fold}/{center}/chunk{chunk}",
        model=lambda w: paths.model("identification", w.center, w.fold),
    output:
        instances="results/identification/fold{fold}/{center}/chunk{chunk}.tsv",
        masks=directory("results/identification/fold{fold}/{center}/chunk{chunk}"),
    log:
        "logs/identification/fold{fold}/{center}.chunk{chunk}.log",
    benchmark:
        "logs/benchmarks/identification/fold{fold}/{center}.chunk{chunk}.tsv"
    conda:
        "../../envs/deep.yaml"
    threads: threads("predict")
    resources:
        **resources_of("predict"),
    params:
        code=code("identification.py"),
        subsets=lambda w: folds.measured(w.fold, w.center, w.chunk),
        variants=config["lymph_nodes"]["variants"],
    script:
        "../scripts/identification.py"
