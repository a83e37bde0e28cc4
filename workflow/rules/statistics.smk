# Statistics: every table of the paper, with intervals and tests.


rule drawn_node_volumes:
    """The volume of each lymph node that a center drew (Table I)."""
    input:
        lambda w: [
            paths.drawn("lymph_nodes", p) for p in masks.drawn("lymph_nodes", w.center)
        ],
    output:
        rows="results/statistics/evaluation/drawn_nodes/{center}.tsv",
    log:
        "logs/statistics/drawn_nodes/{center}.log",
    benchmark:
        "logs/benchmarks/statistics/drawn_nodes/{center}.tsv"
    conda:
        "../../envs/imaging.yaml"
    threads: threads("center")
    resources:
        **resources_of("center", lambda w: masks.drawn("lymph_nodes", w.center)),
    params:
        code=code("drawn_node_volumes.py"),
        patients=lambda w: masks.drawn("lymph_nodes", w.center),
    script:
        "../scripts/drawn_node_volumes.py"


rule center_statistics:
    """Every patient-level table of one center."""
    input:
        predictions=lambda w: paths.predictions(w.center),
        nodes=lambda w: drawn_volumes(w.center),
        discovery_nodes=drawn_volumes(centers.discovery),
        stages=lambda w: paths.stage_scores(w.center),
        instances=lambda w: paths.undrawn_instances(w.center),
        intake=lambda w: paths.intake_records(w.center),
        quality=lambda w: (
            []
            if w.center in centers.returned
            else f"results/report/qc/{w.center}.json"
        ),
        frozen=THRESHOLDS if TABLES_NEED_THRESHOLDS else [],
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
        **resources_of("table"),
    params:
        code=code("center_statistics.py"),
        role=lambda w: centers.role(w.center),
        rows=lambda w: facts.table_rows(w.center),
        discovery=lambda w: facts.table_rows(centers.discovery),
        undrawn=lambda w: folds.undrawn(w.center),
        methods=methods.names,
        scored=lambda w: folds.of_parts(w.center),
        folds=folds.numbers,
        settings={
            **config["statistics"],
            "methods": methods.calls,
            "min_cell": config["packet"]["min_cell"],
            "clinical": study.settings.added_clinical,
        },
        seed=config["seed"],
    script:
        "../scripts/center_statistics.py"


rule study_statistics:
    """Tables over all centers, and those of segmentation and identification."""
    input:
        centers=[f"results/statistics/{c}" for c in centers.reported],
        organs=(
            "results/statistics/evaluation/organs.tsv" if masks.organs_tested else []
        ),
        tumor=("results/statistics/evaluation/tumor.tsv" if masks.tumors_tested else []),
        tumor_chain=(
            "results/statistics/evaluation/tumor_chain.tsv"
            if masks.tumors_tested and FINETUNED
            else []
        ),
        lymph_nodes=[
            f"results/statistics/evaluation/fold{fold}"
            for fold in folds
            if folds.with_nodes(fold, "test")
        ],
        ranges=expand("results/attention/ranges/fold{fold}.json", fold=folds),
        signature=(
            "results/statistics/evaluation/signature.tsv"
            if "baselines" in methods.families
            else []
        ),
        robustness=paths.robustness_tables(),
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
        **resources_of("table"),
    params:
        code=code("study_statistics.py"),
        roles={center: centers.role(center) for center in centers.reported},
        ranges={study.settings.ranges_source: study.settings.numbered_ranges},
        sources={
            mask: centers.source(mask, centers.discovery)
            for mask in ("organs", "tumor")
        },
        settings=config["statistics"],
        seed=config["seed"],
    script:
        "../scripts/study_statistics.py"
