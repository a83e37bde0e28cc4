# Report: one page a center and one for the study; each a single file that opens offline.

PICTURED_FOLD, PICTURED = study.pictured
FIGURES = "results/report/figures"
DECLARED = config["statistics"]["primary"]["method"]


rule saliency:
    """The slice that spoke most for each patient's call, and what in it moved the score."""
    input:
        records=lambda w: [
            f"results/registration/{p}/record.json" for p in study.spoken_for(w.center)
        ],
        views=lambda w: [
            f"results/tumor/slices/{p}.npz" for p in study.spoken_for(w.center)
        ],
        nodes=lambda w: [
            instances(p, fold) for p, fold in study.spoken_for(w.center).items()
        ],
        models=lambda w: [
            model(study.explained[1], w.center, fold)
            for fold in study.speaking(w.center)
        ],
        thresholds=lambda w: [
            f"results/bundle/fold{fold}/thresholds.json"
            for fold in study.speaking(w.center)
        ],
        calls=lambda w: [
            f"results/predictions/{DECLARED}/{part}/{w.center}.tsv"
            for part in study.judged(w.center)
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
        mem_mb=memory("score"),
        runtime=minutes("score"),
        gpu=gpus("score"),
    params:
        code=lambda w: code("saliency.py", *study.sources(study.explained[1])),
        explained=study.explained,
        folds=lambda w: study.speaking(w.center),
        patients=lambda w: study.spoken_for(w.center),
    script:
        "../scripts/saliency.py"


rule gallery:
    """Pictures of each patient of a center: slices, overlays, the node that decided."""
    input:
        unpack(lambda w: scans(study.imaged(w.center))),
        records=lambda w: [
            f"results/registration/{p}/record.json" for p in study.imaged(w.center)
        ],
        organs=lambda w: [organs(p) for p in study.imaged(w.center)],
        tumor=lambda w: [tumor(p) for p in study.imaged(w.center)],
        maps=lambda w: [attention(p, study.fold_of(p)) for p in study.imaged(w.center)],
        drawn=lambda w: [
            annotation(p, "lymph_nodes")
            for p in study.annotated("lymph_nodes", w.center)
        ],
        nodes=lambda w: [nodes(p, study.fold_of(p)) for p in study.imaged(w.center)],
        instances=lambda w: [
            instances(p, study.fold_of(p)) for p in study.imaged(w.center)
        ],
        saliency=("results/report/saliency/{center}.npz" if study.explained else []),
    output:
        gallery="results/report/gallery/{center}.json",
    log:
        "logs/report/gallery/{center}.log",
    benchmark:
        "logs/benchmarks/report/gallery/{center}.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("center")
    resources:
        mem_mb=memory("center"),
        runtime=minutes("center", lambda w: study.imaged(w.center)),
    params:
        code=code("gallery.py"),
        patients=lambda w: study.imaged(w.center),
        drawn=lambda w: study.annotated("lymph_nodes", w.center),
        pancreas=study.anatomy["labels"]["pancreas"],
    script:
        "../scripts/gallery.py"


rule quality:
    """Whether a center's images are fit to be used: spacing, coverage, HU, phases, registration."""
    input:
        unpack(lambda w: scans(labelled(w.center))),
        organs=lambda w: [seen_organs(p) for p in labelled(w.center)],
        records=lambda w: [
            f"results/registration/{p}/record.json" for p in study.imaged(w.center)
        ],
        intake=lambda w: [
            f"results/cohort/{p}/{phase}.json"
            for p in study.of(w.center)
            for phase in study.phases(p)
        ],
        node_masks=lambda w: drawn_nodes(w.center),
    output:
        html=report(
            "results/report/qc/{center}.html",
            category="Images",
            caption="../report/quality.rst",
        ),
        record="results/report/qc/{center}.json",
    log:
        "logs/report/qc/{center}.log",
    benchmark:
        "logs/benchmarks/report/qc/{center}.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("center")
    resources:
        mem_mb=memory("center"),
        runtime=minutes("center", lambda w: labelled(w.center)),
    params:
        code=code("quality.py"),
        patients=lambda w: study.of(w.center),
        labelled=lambda w: labelled(w.center),
        labels=study.anatomy["labels"],
        facts=lambda w: study.image_facts(w.center),
    script:
        "../scripts/quality.py"


use rule quality as first_look with:
    input:
        records=lambda w: [
            f"results/registration/{p}/record.json" for p in study.imaged(w.center)
        ],
        intake=lambda w: [
            f"results/cohort/{p}/{phase}.json"
            for p in study.of(w.center)
            for phase in study.phases(p)
        ],
        node_masks=lambda w: drawn_nodes(w.center),
    output:
        html="results/report/first/{center}.html",
        record="results/report/first/{center}.json",
    log:
        "logs/report/first/{center}.log",
    benchmark:
        "logs/benchmarks/report/first/{center}.tsv"
    params:
        code=code("quality.py"),
        patients=lambda w: study.of(w.center),
        labelled=[],
        labels=study.anatomy["labels"],
        facts=lambda w: study.image_facts(w.center) | {"first_look": True},


rule first_looks:
    """What can be told of every center's images without a network: scans and registration."""
    input:
        expand("results/report/first/{center}.html", center=study.at_hand),


rule qualities:
    """The pages about the images of every center, organs included."""
    input:
        expand("results/report/qc/{center}.html", center=study.at_hand),


rule center_report:
    """The validation report of one center."""
    input:
        statistics="results/statistics/{center}",
        discovery=[] if study.frozen else f"results/statistics/{study.discovery}",
        predictions=lambda w: center_predictions(w.center),
        gallery=lambda w: (
            []
            if w.center in study.returned
            else f"results/report/gallery/{w.center}.json"
        ),
        quality=lambda w: (
            [] if w.center in study.returned else f"results/report/qc/{w.center}.json"
        ),
        records=lambda w: [
            f"results/registration/{p}/record.json" for p in study.imaged(w.center)
        ],
        intake=lambda w: [
            f"results/cohort/{p}/{phase}.json"
            for p in study.of(w.center)
            for phase in study.phases(p)
        ],
        manifest="results/bundle/manifest.json",
        thresholds=expand("results/bundle/fold{fold}/thresholds.json", fold=study.folds),
        learning=LEARNING,
        truth=(
            "results/statistics/evaluation/truth/{center}.tsv"
            if study.simulated
            else []
        ),
        oracle=(
            "results/statistics/evaluation/oracle/{center}.tsv"
            if study.simulated
            else []
        ),
    output:
        html=report(
            "results/report/{center}.html",
            category="Centers",
            caption="../report/center.rst",
        ),
    log:
        "logs/report/{center}.log",
    benchmark:
        "logs/benchmarks/report/{center}.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("report")
    resources:
        mem_mb=memory("report"),
        runtime=minutes("report"),
    params:
        code=code("center_report.py"),
        facts=lambda w: study.facts(w.center),
    script:
        "../scripts/center_report.py"


rule study_figures:
    """Figures 3 and 4: how an attention map arises, and overlays of a few patients."""
    input:
        venous=[image(p, "venous") for p in PICTURED],
        organs=[organs(p) for p in PICTURED],
        maps=[attention(p, PICTURED_FOLD) for p in PICTURED],
        drawn=[
            annotation(p, "lymph_nodes")
            for p in PICTURED
            if p in study.tested(PICTURED_FOLD)
        ],
        nodes=[nodes(p, PICTURED_FOLD) for p in PICTURED],
        instances=instance_tables(PICTURED_FOLD, PICTURED),
        evaluated=(
            f"results/statistics/evaluation/fold{PICTURED_FOLD}"
            if study.tested(PICTURED_FOLD)
            else []
        ),
        ranges=(
            []
            if study.ranges_from == "table"
            else f"results/attention/ranges/fold{PICTURED_FOLD}.json"
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
        mem_mb=memory("report"),
        runtime=minutes("report"),
    params:
        code=code("study_figures.py"),
        patients=PICTURED,
        drawn=[p for p in PICTURED if p in study.tested(PICTURED_FOLD)],
        labels=study.anatomy["labels"],
        ranges=study.ranges() if study.ranges_from == "table" else None,
    script:
        "../scripts/study_figures.py"


rule study_report:
    """The report of the whole study."""
    input:
        centers=[f"results/statistics/{c}" for c in study.reported],
        study="results/statistics/study",
        pictures=f"{FIGURES}/figures.json" if PICTURED else [],
        manifest="results/bundle/manifest.json",
        learning=LEARNING,
        truth=[
            f"results/statistics/evaluation/truth/{c}.tsv"
            for c in study.reported
            if study.simulated
        ],
    output:
        html=report(
            "results/report/study.html",
            category="Study",
            caption="../report/study.rst",
        ),
        roc=report(
            expand(f"{FIGURES}/figure_5{{part}}.svg", part=["a", "b"]),
            category="Figures",
            caption="../report/roc.rst",
            labels={"figure": "5, ROC (a: ablation, b: baselines)"},
        ),
        froc=report(
            f"{FIGURES}/froc.svg",
            category="Figures",
            caption="../report/froc.rst",
            labels={"figure": "FROC of the lymph nodes"},
        ),
        forest=report(
            f"{FIGURES}/forest.svg",
            category="Figures",
            caption="../report/forest.rst",
            labels={"figure": "Forest plot of the declared endpoint"},
        ),
        png=expand(
            f"{FIGURES}/{{name}}.png",
            name=("figure_5a", "figure_5b", "froc", "forest"),
        ),
    log:
        "logs/report/study.log",
    benchmark:
        "logs/benchmarks/report/study.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("report")
    resources:
        mem_mb=memory("report"),
        runtime=minutes("report"),
    params:
        code=code("study_report.py"),
        facts=study.facts(),
        roles={center: study.role(center) for center in study.reported},
        summarised=study.summarised,
    script:
        "../scripts/study_report.py"
