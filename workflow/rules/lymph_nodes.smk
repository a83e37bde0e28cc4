# Lymph nodes: attention-guided segmentation and its plain counterpart, fold by fold.


rule lymph_nodes_prepare:
    """Annotated patients as the segmentation networks of every other fold read them, made once."""
    input:
        unpack(lambda w: paths.images(folds.tested_together(w.part, w.chunk))),
        maps=lambda w: [
            paths.attention_by(w.ranges, patient)
            for patient in folds.tested_together(w.part, w.chunk)
        ],
        lymph_nodes=lambda w: [
            paths.drawn("lymph_nodes", patient)
            for patient in folds.tested_together(w.part, w.chunk)
        ],
    output:
        prepared=temp(
            directory("results/lymph_nodes/prepared/{ranges}/{part}/chunk{chunk}")
        ),
    log:
        "logs/lymph_nodes/prepared/{ranges}.{part}.chunk{chunk}.log",
    benchmark:
        "logs/benchmarks/lymph_nodes/prepared/{ranges}.{part}.chunk{chunk}.tsv"
    conda:
        "../../envs/deep.yaml"
    threads: threads("center")
    resources:
        **resources_of("center", lambda w: folds.tested_together(w.part, w.chunk)),
    params:
        code=code("lymph_nodes_prepare.py"),
        patients=lambda w: folds.tested_together(w.part, w.chunk),
        settings=study.settings.training("lymph_nodes"),
    script:
        "../scripts/lymph_nodes_prepare.py"


rule lymph_nodes_train:
    """All segmentation networks of a fold: trained on T, chosen on V; inner ones on parts of T."""
    input:
        prepared=lambda w: [
            paths.prepared(p, w.fold) for p in folds.node_networks(w.fold)
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
        **resources_of("train"),
    params:
        code=code("lymph_nodes_train.py"),
        patients=lambda w: folds.node_networks(w.fold),
        train=lambda w: folds.subset(w.fold, "train"),
        validation=lambda w: folds.subset(w.fold, "validation"),
        inner=lambda w: folds.inner(w.fold),
        settings=study.settings.training("lymph_nodes"),
        seed=config["seed"],
    script:
        "../scripts/lymph_nodes_train.py"


rule lymph_nodes:
    """Lymph nodes of one chunk of patients as one fold's networks segment them."""
    input:
        unpack(lambda w: paths.images(folds.measured(w.fold, w.center, w.chunk))),
        unpack(
            lambda w: paths.masks("organs", folds.measured(w.fold, w.center, w.chunk))
        ),
        maps=lambda w: [
            paths.attention(p, w.fold)
            for p in folds.measured(w.fold, w.center, w.chunk)
        ],
        model=lambda w: paths.model("lymph_nodes", w.center, w.fold),
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
        **resources_of("predict"),
    params:
        code=code("lymph_nodes.py"),
        subsets=lambda w: folds.measured(w.fold, w.center, w.chunk),
        settings=study.settings.prediction("lymph_nodes"),
        inner=lambda w: folds.inner(w.fold),
        anatomy=study.settings.structures,
        appearance=study.settings.candidates,
    script:
        "../scripts/lymph_nodes.py"
