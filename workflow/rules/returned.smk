# Returned: centers that keep their images. What such a hospital sends back, and how it is taken in.


rule returned:
    """What a hospital may send back: no image, code, date or path, and every line can be read."""
    input:
        manifest="results/bundle/manifest.json",
        predictions=expand(
            "results/predictions/{method}/ensemble/{{center}}.tsv",
            method=study.methods,
        ),
        statistics="results/statistics/{center}",
        records=lambda w: [
            f"results/registration/{p}/record.json" for p in study.imaged(w.center)
        ],
    output:
        "results/returned/{center}.tsv",
    log:
        "logs/returned/{center}.log",
    conda:
        "../../envs/imaging.yaml"
    params:
        code=code("returned.py"),
        rows=config["packet"]["rows"],
        methods=study.methods,
        metastasis=lambda w: study.metastasis(study.of(w.center)),
        told=lambda w: study.told(w.center),
    script:
        "../scripts/returned.py"


rule take_in:
    """Predictions that a hospital returned, once they fit this study's bundle and thresholds."""
    input:
        file=lambda w: config["centers"][w.center]["returned"],
        manifest="results/bundle/manifest.json",
        frozen=expand("results/bundle/fold{fold}/thresholds.json", fold=study.folds),
    output:
        expand(
            "results/predictions/{method}/ensemble/{{center}}.tsv",
            method=study.methods,
        ),
    log:
        "logs/returned/take_in/{center}.log",
    wildcard_constraints:
        center=one_of(set(study.returned) - set(study.summarised)),
    conda:
        "../../envs/statistics.yaml"
    params:
        code=code("take_in.py"),
        methods=study.methods,
    script:
        "../scripts/take_in.py"


rule reported_statistics:
    """Tables of a center that returned summaries alone, as it reports them."""
    input:
        file=lambda w: config["centers"][w.center]["returned"],
        manifest="results/bundle/manifest.json",
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
        "logs/returned/statistics/{center}.log",
    wildcard_constraints:
        center=one_of(study.summarised),
    conda:
        "../../envs/statistics.yaml"
    params:
        code=code("reported_statistics.py"),
        methods=study.methods,
        discovery=study.table_rows(study.discovery),
    script:
        "../scripts/reported_statistics.py"


ruleorder: take_in > ensemble
ruleorder: reported_statistics > center_statistics


localrules:
    returned,
    take_in,
    reported_statistics,
