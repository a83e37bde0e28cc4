# Lymph nodes: attention-guided segmentation and its plain twin, a fold at a time.


rule lymph_nodes_train:
    """All segmentation networks of a fold: on T, chosen on V; inner ones on parts of T."""
    input:
        unpack(lambda w: scans(study.learned_from(w.fold))),
        maps=lambda w: [attention(p, w.fold) for p in study.learned_from(w.fold)],
        lymph_nodes=lambda w: [
            annotation(p, "lymph_nodes") for p in study.learned_from(w.fold)
        ],
    output:
        model="results/lymph_nodes/fold{fold}/model.pt",
    log:
        "logs/lymph_nodes/fold{fold}/train.log",
    benchmark:
        "logs/benchmarks/lymph_nodes/fold{fold}/train.tsv"
    conda:
        "../../envs/deep.yaml"
    threads: threads("train")
    resources:
        mem_mb=memory("train"),
        runtime=minutes("train"),
        gpu=gpus("train"),
    params:
        code=code("lymph_nodes_train.py"),
        patients=lambda w: study.learned_from(w.fold),
        train=lambda w: study.subset(w.fold, "train"),
        validation=lambda w: study.subset(w.fold, "validation"),
        inner=lambda w: study.inner(w.fold),
        settings=study.learning("lymph_nodes"),
        seed=config["seed"],
    script:
        "../scripts/lymph_nodes_train.py"


rule lymph_nodes:
    """Lymph nodes of one chunk of patients as one fold's networks see them."""
    input:
        unpack(lambda w: scans(study.measured(w.fold, w.center, w.chunk))),
        maps=lambda w: [
            attention(p, w.fold) for p in study.measured(w.fold, w.center, w.chunk)
        ],
        organs=lambda w: [organs(p) for p in study.measured(w.fold, w.center, w.chunk)],
        model=lambda w: model("lymph_nodes", w.center, w.fold),
    output:
        nodes=directory("results/lymph_nodes/fold{fold}/{center}/chunk{chunk}"),
    log:
        "logs/lymph_nodes/fold{fold}/{center}.chunk{chunk}.log",
    benchmark:
        "logs/benchmarks/lymph_nodes/fold{fold}/{center}.chunk{chunk}.tsv"
    conda:
        "../../envs/deep.yaml"
    threads: threads("predict")
    resources:
        mem_mb=memory("predict"),
        runtime=minutes("predict"),
        gpu=gpus("predict"),
    params:
        code=code("lymph_nodes.py"),
        subsets=lambda w: study.measured(w.fold, w.center, w.chunk),
        settings=study.scoring("lymph_nodes"),
        inner=lambda w: study.inner(w.fold),
        anatomy=study.anatomy,
        appearance=study.candidates,
    script:
        "../scripts/lymph_nodes.py"
