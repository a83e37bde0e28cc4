# Identification: which of the segmented lymph nodes are positive.


rule identification_train:
    """All identification networks of a fold, each started from its segmentation network."""
    input:
        unpack(lambda w: scans(study.learned_from(w.fold))),
        maps=lambda w: [attention(p, w.fold) for p in study.learned_from(w.fold)],
        lymph_nodes=lambda w: [
            annotation(p, "lymph_nodes") for p in study.learned_from(w.fold)
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
        mem_mb=memory("train"),
        runtime=minutes("train"),
        gpu=gpus("train"),
    params:
        code=code("identification_train.py"),
        patients=lambda w: study.learned_from(w.fold),
        train=lambda w: study.subset(w.fold, "train"),
        validation=lambda w: study.subset(w.fold, "validation"),
        inner=lambda w: study.inner(w.fold),
        settings=study.learning("identification"),
        seed=config["seed"],
    script:
        "../scripts/identification_train.py"


rule identification:
    """Which lymph nodes of one chunk of patients are positive: a table and masks."""
    input:
        unpack(lambda w: scans(study.measured(w.fold, w.center, w.chunk))),
        maps=lambda w: [
            attention(p, w.fold) for p in study.measured(w.fold, w.center, w.chunk)
        ],
        nodes="results/lymph_nodes/fold{fold}/{center}/chunk{chunk}",
        model=lambda w: model("identification", w.center, w.fold),
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
        mem_mb=memory("predict"),
        runtime=minutes("predict"),
        gpu=gpus("predict"),
    params:
        code=code("identification.py"),
        subsets=lambda w: study.measured(w.fold, w.center, w.chunk),
        variants=config["lymph_nodes"]["variants"],
    script:
        "../scripts/identification.py"
