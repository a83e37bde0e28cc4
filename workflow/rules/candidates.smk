# Candidates: which of the segmented lymph nodes are nodes at all (`identification.candidates`).


rule candidates_train:
    """A fold's forests: from out-of-fold candidates of T; cuts from those of V."""
    input:
        unpack(lambda w: paths.images(folds.node_networks(w.fold))),
        nodes=lambda w: [paths.nodes(p, w.fold) for p in folds.node_networks(w.fold)],
        lymph_nodes=lambda w: [
            paths.drawn("lymph_nodes", p) for p in folds.node_networks(w.fold)
        ],
    output:
        model="results/candidates/fold{fold}/model.pt",
    log:
        "logs/candidates/fold{fold}/train.log",
    benchmark:
        "logs/benchmarks/candidates/fold{fold}/train.tsv"
    conda:
        "../../envs/deep.yaml"
    threads: threads("score")
    resources:
        **resources_of("score"),
    params:
        code=code("candidates_train.py"),
        patients=lambda w: folds.node_networks(w.fold),
        train=lambda w: folds.subset(w.fold, "train"),
        parts=lambda w: folds.candidate_parts(w.fold),
        metastasis=lambda w: patients.metastasis(folds.subset(w.fold, "validation")),
        seed=config["seed"],
    script:
        "../scripts/candidates_train.py"


rule candidates:
    """The identified lymph nodes of one chunk of patients, with the probabilities of the forests."""
    input:
        instances="results/identification/fold{fold}/{center}/chunk{chunk}.tsv",
        nodes="results/lymph_nodes/fold{fold}/{center}/chunk{chunk}",
        model=lambda w: paths.model("candidates", w.center, w.fold),
    output:
        instances="results/candidates/fold{fold}/{center}/chunk{chunk}.tsv",
    log:
        "logs/candidates/fold{fold}/{center}.chunk{chunk}.log",
    benchmark:
        "logs/benchmarks/candidates/fold{fold}/{center}.chunk{chunk}.tsv"
    conda:
        "../../envs/deep.yaml"
    threads: threads("score")
    resources:
        **resources_of("score"),
    params:
        code=code("candidates.py"),
        parts=lambda w: folds.candidate_parts(w.fold),
    script:
        "../scripts/candidates.py"
