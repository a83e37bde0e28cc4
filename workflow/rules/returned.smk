# Returned: centers that keep their images. What such a hospital returns, and how it is imported.


rule returned:
    """What a hospital may return: no image, code, date or path, and every line can be read."""
    input:
        manifest="results/bundle/manifest.json",
        predictions=expand(
            "results/predictions/{method}/ensemble/{{center}}.tsv",
            method=methods.names,
        ),
        statistics="results/statistics/{center}",
        records=lambda w: paths.registration_records(patients.imaged(w.center)),
    output:
        "results/returned/{center}.tsv",
    log:
        "logs/returned/{center}.log",
    conda:
        "../../envs/imaging.yaml"
    params:
        code=code("returned.py"),
        rows=config["packet"]["rows"],
        min_cell=config["packet"]["min_cell"],
        methods=methods.names,
        metastasis=lambda w: patients.metastasis(patients.of(w.center)),
        head=lambda w: facts.returned_head(w.center),
    script:
        "../scripts/returned.py"


rule import_returned:
    """Predictions that a hospital returned, once they fit this study's bundle and thresholds."""
    input:
        file=lambda w: config["centers"][w.center]["returned"],
        manifest="results/bundle/manifest.json",
        frozen=THRESHOLDS,
    output:
        expand(
            "results/predictions/{method}/ensemble/{{center}}.tsv",
            method=methods.names,
        ),
    log:
        "logs/returned/import/{center}.log",
    wildcard_constraints:
        center=one_of(set(centers.returned) - set(centers.summarised)),
    conda:
        "../../envs/statistics.yaml"
    params:
        code=code("import_returned.py"),
        methods=methods.names,
    script:
        "../scripts/import_returned.py"


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
        center=one_of(centers.summarised),
    conda:
        "../../envs/statistics.yaml"
    params:
        code=code("reported_statistics.py"),
        methods=methods.names,
        discovery=facts.table_rows(centers.discovery),
    script:
        "../scripts/reported_statistics.py"


ruleorder: import_returned > ensemble
ruleorder: reported_statistics > center_statistics


localrules:
    returned,
    import_returned,
    reported_statistics,
