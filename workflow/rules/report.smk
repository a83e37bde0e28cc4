# Report: one page a center and one for the study; each a single file that opens offline.


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
        nodes=lambda w: [
            chunk
            for p in study.imaged(w.center)
            for chunk in node_chunks(study.fold_of(p), [p])
        ],
        instances=lambda w: [
            table
            for p in study.imaged(w.center)
            for table in instance_tables(study.fold_of(p), [p])
        ],
    output:
        gallery="results/report/gallery/{center}.json",
    log:
        "logs/report/gallery/{center}.log",
    benchmark:
        "logs/benchmarks/report/gallery/{center}.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("patient")
    resources:
        mem_mb=memory("patient"),
        runtime=minutes("patient"),
    params:
        code=code("gallery.py"),
        patients=lambda w: study.imaged(w.center),
        drawn=lambda w: study.annotated("lymph_nodes", w.center),
    script:
        "../scripts/gallery.py"


rule center_report:
    """The validation report of one center."""
    input:
        statistics="results/statistics/{center}",
        discovery=f"results/statistics/{study.discovery}",
        predictions=lambda w: center_predictions(w.center),
        gallery="results/report/gallery/{center}.json",
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
        truth=(
            "results/statistics/evaluation/truth/{center}.tsv"
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


rule study_report:
    """The report of the whole study."""
    input:
        centers=[f"results/statistics/{c}" for c in study.reported],
        study="results/statistics/study",
        manifest="results/bundle/manifest.json",
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
    script:
        "../scripts/study_report.py"
