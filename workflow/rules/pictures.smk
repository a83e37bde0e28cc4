# Pictures: a center's gallery, what moved the scores, and the study's figures.

PICTURED_FOLD, PICTURED = folds.pictured
DRAWN = [p for p in PICTURED if p in folds.with_nodes(PICTURED_FOLD, "test")]
FIGURES = "results/report/figures"
DECLARED = config["statistics"]["primary"]["method"]
EXPLAINED = methods.explained


rule saliency:
    """The most influential slice for each patient's call, and what in it moved the score."""
    input:
        records=lambda w: paths.registration_records(folds.explained(w.center)),
        views=lambda w: [paths.views(p) for p in folds.explained(w.center)],
        nodes=lambda w: [
            paths.instances(p, fold) for p, fold in folds.explained(w.center).items()
        ],
        models=lambda w: [
            paths.model(EXPLAINED.family, w.center, fold)
            for fold in folds.explaining(w.center)
        ],
        thresholds=lambda w: [
            paths.thresholds(fold) for fold in folds.explaining(w.center)
        ],
        calls=lambda w: [
            f"results/predictions/{DECLARED}/{part}/{w.center}.tsv"
            for part in folds.headline_parts(w.center)
        ],
    output:
        saliency="results/report/saliency/{center}.npz",
    log:
        "logs/report/saliency/{center}.log",
    benchmark:
        "logs/benchmarks/report/saliency/{center}.tsv"
    conda:
        "../../envs/deep.yaml"
    threads: threads("score")
    resources:
        **resources_of("score"),
    params:
        code=lambda w: code("saliency.py", *methods.sources(EXPLAINED.family)),
        method=EXPLAINED.name if EXPLAINED else None,
        folds=lambda w: folds.explaining(w.center),
        patients=lambda w: folds.explained(w.center),
    script:
        "../scripts/saliency.py"


rule gallery:
    """Pictures of each patient of a center, and the viewer that shows its volumes."""
    input:
        unpack(lambda w: paths.images(patients.imaged(w.center))),
        unpack(lambda w: paths.masks("organs", patients.imaged(w.center))),
        unpack(lambda w: paths.masks("tumor", patients.imaged(w.center))),
        records=lambda w: paths.registration_records(patients.imaged(w.center)),
        maps=lambda w: [
            paths.attention(p, folds.fold_of(p)) for p in patients.imaged(w.center)
        ],
        drawn=lambda w: [
            paths.drawn("lymph_nodes", p) for p in masks.drawn("lymph_nodes", w.center)
        ],
        nodes=lambda w: [
            paths.nodes(p, folds.fold_of(p)) for p in patients.imaged(w.center)
        ],
        instances=lambda w: [
            paths.instances(p, folds.fold_of(p)) for p in patients.imaged(w.center)
        ],
        saliency="results/report/saliency/{center}.npz" if EXPLAINED else [],
        shares=lambda w: paths.node_shares(w.center),
    output:
        gallery="results/report/gallery/{center}.json",
        viewer=directory("results/report/viewer/{center}"),
    log:
        "logs/report/gallery/{center}.log",
    benchmark:
        "logs/benchmarks/report/gallery/{center}.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("center")
    resources:
        **resources_of("center", lambda w: patients.imaged(w.center)),
    params:
        code=code("gallery.py"),
        patients=lambda w: patients.imaged(w.center),
        folds=lambda w: (
            folds.explaining(w.center) if paths.node_shares(w.center) else []
        ),
        explained=lambda w: folds.explained(w.center),
        drawn=lambda w: masks.drawn("lymph_nodes", w.center),
        organ=study.settings.tumor_organ,
        labels=study.settings.anatomy["labels"],
    script:
        "../scripts/gallery.py"


rule study_figures:
    """Figures 3 and 4: how an attention map arises, and overlays of a few patients."""
    input:
        unpack(lambda w: paths.masks("organs", PICTURED)),
        venous=[paths.image(p, "venous") for p in PICTURED],
        maps=[paths.attention(p, PICTURED_FOLD) for p in PICTURED],
        drawn=[paths.drawn("lymph_nodes", p) for p in DRAWN],
        nodes=[paths.nodes(p, PICTURED_FOLD) for p in PICTURED],
        instances=paths.instance_tables(PICTURED, PICTURED_FOLD),
        evaluated=(
            f"results/statistics/evaluation/fold{PICTURED_FOLD}" if DRAWN else []
        ),
        ranges=(
            f"results/attention/ranges/fold{PICTURED_FOLD}.json"
            if study.settings.estimates_ranges
            else []
        ),
    output:
        report(
            f"{FIGURES}/figure_3.svg",
            category="Figures",
            caption="../report/attention.rst",
            labels={"figure": "3, how a map arises"},
        ),
        report(
            f"{FIGURES}/figure_4.svg",
            category="Figures",
            caption="../report/overlays.rst",
            labels={"figure": "4, overlays"},
        ),
        f"{FIGURES}/figure_3.png",
        f"{FIGURES}/figure_4.png",
        record=f"{FIGURES}/figures.json",
    log:
        "logs/report/figures.log",
    benchmark:
        "logs/benchmarks/report/figures.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("report")
    resources:
        **resources_of("report"),
    params:
        code=code("study_figures.py"),
        patients=PICTURED,
        drawn=DRAWN,
        labels=study.settings.anatomy["labels"],
        ranges=(
            None if study.settings.estimates_ranges else study.settings.table_ranges
        ),
    script:
        "../scripts/study_figures.py"
