# Evaluation: predicted masks and lymph nodes against drawn ones, and how networks were fitted.


rule evaluate_organs:
    """Organs and vessels by teacher and student against masks drawn for testing (Table III)."""
    input:
        unpack(lambda w: paths.images(masks.organs_tested)),
        unpack(lambda w: paths.masks("organs", masks.organs_tested)),
        drawn=[paths.drawn("organs", p) for p in masks.organs_tested],
        registration=paths.registration_records(masks.organs_tested),
        teacher=ORGANS_TEACHER,
        training=[
            f"results/registration/{p}/organs.json"
            for p in masks.auxiliary("organs")
            if teachers.is_trained_here(config, "organs")
        ],
    output:
        rows="results/statistics/evaluation/organs.tsv",
    log:
        "logs/statistics/evaluate_organs.log",
    benchmark:
        "logs/benchmarks/statistics/evaluate_organs.tsv"
    conda:
        "../../envs/deep.yaml"
    threads: threads("predict")
    resources:
        **resources_of("predict"),
    params:
        code=code("evaluate_organs.py"),
        mirror=ORGANS_MIRRORED,
        patients=masks.organs_tested,
        labels=study.settings.anatomy["labels"],
        annotated=list(study.settings.table_ranges),
    script:
        "../scripts/evaluate_organs.py"


rule evaluate_tumor:
    """Tumor masks against the drawn ones (Section IV-B)."""
    input:
        unpack(lambda w: paths.masks("tumor", masks.tumors_tested)),
        drawn=[paths.drawn("tumor", p) for p in masks.tumors_tested],
    output:
        rows="results/statistics/evaluation/tumor.tsv",
    log:
        "logs/statistics/evaluate_tumor.log",
    benchmark:
        "logs/benchmarks/statistics/evaluate_tumor.tsv"
    conda:
        "../../envs/imaging.yaml"
    threads: threads("center")
    resources:
        **resources_of("center", lambda w: masks.tumors_tested),
    params:
        code=code("evaluate_tumor.py"),
        patients=masks.tumors_tested,
    script:
        "../scripts/evaluate_tumor.py"


rule evaluate_tumor_chain:
    """The arterial networks on the patients that test the final one; with `tumor.finetune` alone."""
    input:
        **where_tumors_lie(masks.tumors_tested),
        arterial_images=[paths.image(p, "arterial") for p in masks.tumors_tested],
        drawn=[paths.drawn("tumor", p) for p in masks.tumors_tested],
        arterial="results/tumor/arterial.pt",
        finetuned="results/tumor/finetuned.pt",
    output:
        rows="results/statistics/evaluation/tumor_chain.tsv",
    log:
        "logs/statistics/evaluate_tumor_chain.log",
    benchmark:
        "logs/benchmarks/statistics/evaluate_tumor_chain.tsv"
    conda:
        "../../envs/deep.yaml"
    threads: threads("predict")
    resources:
        **resources_of("predict"),
    params:
        code=code("evaluate_tumor_chain.py"),
        patients=masks.tumors_tested,
        organ=study.settings.piece_organ,
        mirror=TUMOR_MIRRORED,
    script:
        "../scripts/evaluate_tumor_chain.py"


rule evaluate_lymph_nodes:
    """One fold's lymph nodes against the annotated ones of its test patients (Tables IV, V)."""
    input:
        unpack(lambda w: paths.images(nodes_tested(w))),
        unpack(lambda w: paths.masks("organs", nodes_tested(w))),
        maps=lambda w: [paths.attention(p, w.fold) for p in nodes_tested(w)],
        drawn=lambda w: [paths.drawn("lymph_nodes", p) for p in nodes_tested(w)],
        nodes=lambda w: [paths.nodes(p, w.fold) for p in nodes_tested(w)],
        instances=lambda w: paths.instance_tables(nodes_tested(w), w.fold),
        model="results/identification/fold{fold}/model.pt",
    output:
        rows=directory("results/statistics/evaluation/fold{fold}"),
    log:
        "logs/statistics/evaluate_lymph_nodes/fold{fold}.log",
    benchmark:
        "logs/benchmarks/statistics/evaluate_lymph_nodes/fold{fold}.tsv"
    conda:
        "../../envs/deep.yaml"
    threads: threads("predict")
    resources:
        **resources_of("predict"),
    params:
        code=code("evaluate_lymph_nodes.py"),
        patients=nodes_tested,
        variants=config["lymph_nodes"]["variants"],
        candidates=study.settings.candidates,
        anatomy=study.settings.structures,
    script:
        "../scripts/evaluate_lymph_nodes.py"


rule signature:
    """How often each radiomics feature is chosen over the folds."""
    input:
        models=[
            f"results/baselines/fold{fold}/model.pt"
            for fold in folds
            if "baselines" in methods.families
        ],
    output:
        rows="results/statistics/evaluation/signature.tsv",
    log:
        "logs/statistics/signature.log",
    benchmark:
        "logs/benchmarks/statistics/signature.tsv"
    conda:
        "../../envs/deep.yaml"
    threads: threads("table")
    resources:
        **resources_of("table"),
    params:
        code=code("signature.py"),
    script:
        "../scripts/signature.py"


rule evaluate_learning:
    """Whether each trained network has fitted its own training data."""
    input:
        models=paths.trained(),
    output:
        rows="results/statistics/evaluation/learning.tsv",
    log:
        "logs/statistics/evaluate_learning.log",
    benchmark:
        "logs/benchmarks/statistics/evaluate_learning.tsv"
    conda:
        "../../envs/deep.yaml"
    threads: threads("table")
    resources:
        **resources_of("table"),
    params:
        code=code("evaluate_learning.py"),
    script:
        "../scripts/evaluate_learning.py"
