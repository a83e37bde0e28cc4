# Report: one page per center and one for the study; all open offline.


rule center_report:
    """The validation report of one center."""
    input:
        statistics="results/statistics/{center}",
        discovery=[] if study.bundle else f"results/statistics/{centers.discovery}",
        predictions=lambda w: paths.predictions(w.center),
        gallery=lambda w: (
            []
            if w.center in centers.returned
            else f"results/report/gallery/{w.center}.json"
        ),
        viewer=lambda w: (
            [] if w.center in centers.returned else f"results/report/viewer/{w.center}"
        ),
        quality=lambda w: (
            []
            if w.center in centers.returned
            else f"results/report/qc/{w.center}.json"
        ),
        records=lambda w: paths.registration_records(patients.imaged(w.center)),
        intake=lambda w: paths.intake_records(w.center),
        manifest="results/bundle/manifest.json",
        thresholds=THRESHOLDS,
        learning=LEARNING,
        truth=(
            "results/statistics/evaluation/truth/{center}.tsv"
            if study.settings.simulated
            else []
        ),
        oracle=(
            "results/statistics/evaluation/oracle/{center}.tsv"
            if study.settings.simulated
            else []
        ),
    output:
        html=report(
            "results/report/{center}.html",
            category="Centers",
            caption="../report/center.rst",
        ),
        pictures=directory("results/report/pictures/{center}"),
    log:
        "logs/report/{center}.log",
    benchmark:
        "logs/benchmarks/report/{center}.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("report")
    resources:
        **resources_of("report"),
    params:
        code=code("center_report.py"),
        facts=lambda w: facts.report(w.center),
    script:
        "../scripts/center_report.py"


rule model_card:
    """The card of the frozen model, beside its bundle; not in the manifest, which names the model."""
    input:
        centers=[f"results/statistics/{c}" for c in centers.reported],
        manifest="results/bundle/manifest.json",
        thresholds=THRESHOLDS,
        learning=LEARNING,
    output:
        markdown="results/bundle/model_card.md",
        html="results/bundle/model_card.html",
    log:
        "logs/report/model_card.log",
    benchmark:
        "logs/benchmarks/report/model_card.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("report")
    resources:
        **resources_of("report"),
    params:
        code=code("model_card.py"),
        facts=facts.report(),
        roles={center: centers.role(center) for center in centers.reported},
        summarised=centers.summarised,
        weights=facts.weights,
    script:
        "../scripts/model_card.py"


rule study_report:
    """The report of the whole study."""
    input:
        centers=[f"results/statistics/{c}" for c in centers.reported],
        study="results/statistics/study",
        pictures=f"{FIGURES}/figures.json" if PICTURED else [],
        manifest="results/bundle/manifest.json",
        learning=LEARNING,
        truth=[
            f"results/statistics/evaluation/truth/{c}.tsv"
            for c in centers.reported
            if study.settings.simulated
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
        **resources_of("report"),
    params:
        code=code("study_report.py"),
        facts=facts.report(),
        roles={center: centers.role(center) for center in centers.reported},
        summarised=centers.summarised,
    script:
        "../scripts/study_report.py"
