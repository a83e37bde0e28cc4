# Statistics: every table of the paper, with intervals and tests.


rule evaluate_organs:
    """Organs and vessels by teacher and student against masks drawn for testing (Table III)."""
    input:
        unpack(lambda w: scans(study.organs_tested)),
        organs=lambda w: [organs(p) for p in study.organs_tested],
        drawn=[annotation(p, "organs") for p in study.organs_tested],
        registration=[
            f"results/registration/{p}/record.json" for p in study.organs_tested
        ],
        teacher="results/organs/teacher.pt",
        taught=[
            f"results/registration/{p}/organs.json" for p in study.teachers("organs")
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
        mem_mb=memory("predict"),
        runtime=minutes("predict"),
        gpu=gpus("predict"),
    params:
        code=code("evaluate_organs.py"),
        patients=study.organs_tested,
        labels=study.anatomy["labels"],
        annotated=list(study.ranges()),
    script:
        "../scripts/evaluate_organs.py"


rule evaluate_tumor:
    """Tumor masks against the drawn ones (Section IV-B)."""
    input:
        tumor=lambda w: [tumor(p) for p in study.tumors_tested],
        drawn=[annotation(p, "tumor") for p in study.tumors_tested],
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
        mem_mb=memory("center"),
        runtime=minutes("center", lambda w: study.tumors_tested),
    params:
        code=code("evaluate_tumor.py"),
        patients=study.tumors_tested,
    script:
        "../scripts/evaluate_tumor.py"


rule evaluate_lymph_nodes:
    """One fold's lymph nodes against the annotated ones of its test patients (Tables IV, V)."""
    input:
        unpack(lambda w: scans(study.tested(w.fold))),
        maps=lambda w: [attention(p, w.fold) for p in study.tested(w.fold)],
        organs=lambda w: [organs(p) for p in study.tested(w.fold)],
        drawn=lambda w: [annotation(p, "lymph_nodes") for p in study.tested(w.fold)],
        nodes=lambda w: [nodes(p, w.fold) for p in study.tested(w.fold)],
        instances=lambda w: instance_tables(w.fold, study.tested(w.fold)),
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
        mem_mb=memory("predict"),
        runtime=minutes("predict"),
        gpu=gpus("predict"),
    params:
        code=code("evaluate_lymph_nodes.py"),
        patients=lambda w: study.tested(w.fold),
        variants=config["lymph_nodes"]["variants"],
        candidates=study.candidates,
        anatomy=study.anatomy,
    script:
        "../scripts/evaluate_lymph_nodes.py"


rule evaluate_truth:
    """Organs, tumor and lymph nodes against the simulator's truth."""
    input:
        truth=lambda w: [f"results/simulator/truth/{p}" for p in study.imaged(w.center)],
        grid=lambda w: [image(p, "venous") for p in study.imaged(w.center)],
        organs=lambda w: [organs(p) for p in study.imaged(w.center)],
        tumor=lambda w: [tumor(p) for p in study.imaged(w.center)],
        nodes=lambda w: [nodes(p, study.fold_of(p)) for p in study.imaged(w.center)],
    output:
        rows="results/statistics/evaluation/truth/{center}.tsv",
    log:
        "logs/statistics/evaluate_truth/{center}.log",
    benchmark:
        "logs/benchmarks/statistics/evaluate_truth/{center}.tsv"
    conda:
        "../../envs/imaging.yaml"
    threads: threads("center")
    resources:
        mem_mb=memory("center"),
        runtime=minutes("center", lambda w: study.imaged(w.center)),
    params:
        code=code("evaluate_truth.py"),
        patients=lambda w: study.imaged(w.center),
        labels=study.anatomy["labels"],
    script:
        "../scripts/evaluate_truth.py"


rule evaluate_oracle:
    """Every method beside an oracle that knows the cues behind the simulated patients."""
    input:
        truth=lambda w: [f"results/simulator/truth/{p}" for p in study.of(w.center)],
        predictions=lambda w: center_predictions(w.center),
    output:
        rows="results/statistics/evaluation/oracle/{center}.tsv",
    log:
        "logs/statistics/evaluate_oracle/{center}.log",
    benchmark:
        "logs/benchmarks/statistics/evaluate_oracle/{center}.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("table")
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=code("evaluate_oracle.py"),
        patients=lambda w: study.of(w.center),
        role=lambda w: study.role(w.center),
        rows=lambda w: study.table_rows(w.center),
        methods=study.methods,
        parts=lambda w: study.parts(w.center),
        settings=study.calls,
    script:
        "../scripts/evaluate_oracle.py"


rule signature:
    """How often each radiomics feature is chosen over the folds."""
    input:
        models=[
            f"results/baselines/fold{fold}/model.pt"
            for fold in study.folds
            if "baselines" in study.families
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
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=code("signature.py"),
    script:
        "../scripts/signature.py"


rule evaluate_learning:
    """Whether each trained network has fitted its own training data."""
    input:
        models=trained(),
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
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=code("evaluate_learning.py"),
    script:
        "../scripts/evaluate_learning.py"


rule center_statistics:
    """Every patient-level table of one center."""
    input:
        lambda w: center_predictions(w.center),
    output:
        folder=report(
            directory("results/statistics/{center}"),
            patterns=["{name}.tsv"],
            category="Tables",
            subcategory="{center}",
            caption="../report/center_tables.rst",
            labels={"table": "{name}"},
        ),
    log:
        "logs/statistics/{center}.log",
    benchmark:
        "logs/benchmarks/statistics/{center}.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("table")
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=code("center_statistics.py"),
        role=lambda w: study.role(w.center),
        rows=lambda w: study.table_rows(w.center),
        discovery=lambda w: study.table_rows(study.discovery),
        methods=study.methods,
        parts=lambda w: study.parts(w.center),
        settings={**config["statistics"], "methods": study.calls},
        seed=config["seed"],
    script:
        "../scripts/center_statistics.py"


rule study_statistics:
    """Tables over all centers, and those of segmentation and identification."""
    input:
        centers=[f"results/statistics/{c}" for c in study.reported],
        organs=(
            "results/statistics/evaluation/organs.tsv" if study.organs_tested else []
        ),
        tumor=("results/statistics/evaluation/tumor.tsv" if study.tumors_tested else []),
        lymph_nodes=[
            f"results/statistics/evaluation/fold{fold}"
            for fold in study.folds
            if study.tested(fold)
        ],
        ranges=expand("results/attention/ranges/fold{fold}.json", fold=study.folds),
        signature=(
            "results/statistics/evaluation/signature.tsv"
            if "baselines" in study.families
            else []
        ),
    output:
        folder=report(
            directory("results/statistics/study"),
            patterns=["{name}.tsv"],
            category="Tables",
            subcategory="study",
            caption="../report/study_tables.rst",
            labels={"table": "{name}"},
        ),
    log:
        "logs/statistics/study.log",
    benchmark:
        "logs/benchmarks/statistics/study.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("table")
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=code("study_statistics.py"),
        roles={center: study.role(center) for center in study.reported},
        anatomy=study.anatomy,
        sources={
            what: study.source(what, study.discovery) for what in ("organs", "tumor")
        },
        settings=config["statistics"],
        seed=config["seed"],
    script:
        "../scripts/study_statistics.py"
