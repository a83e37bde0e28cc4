# Bundle: all that scoring a patient needs, frozen; a hospital elsewhere receives the same files.

BUNDLE = [
    f"results/bundle/{part}.pt"
    for part in ("organs", "tumor")
    if centers.source(part, centers.discovery) == "predicted"
] + [
    f"results/bundle/fold{fold}/{part}"
    for fold in folds
    for part in (
        "lymph_nodes.pt",
        "identification.pt",
        *(["candidates.pt"] if study.settings.candidates else []),
        *(f"{family}.pt" for family in methods.families),
        *(["ranges.json"] if study.settings.estimates_ranges else []),
        "thresholds.json",
        "reference.json",
    )
]
BUNDLE += ["results/bundle/spacing.json"] if study.settings.median_spacing else []
BUNDLE += [f"results/bundle/methods/{method}.py" for method in methods.user_files]


localrules:
    freeze,
    freeze_shared,
    freeze_spacing,
    freeze_ranges,
    freeze_method,
    manifest,


rule freeze:
    """One stage's model of one fold, as it goes into the bundle."""
    input:
        "results/{part}/fold{fold}/model.pt",
    output:
        "results/bundle/fold{fold}/{part}.pt",
    log:
        "logs/bundle/freeze/fold{fold}.{part}.log",
    wildcard_constraints:
        part=r"[a-z_0-9]+",
    conda:
        "../../envs/imaging.yaml"
    shell:
        "cp {input:q} {output} 2> {log}"


use rule freeze as freeze_shared with:
    # A model that no fold owns, as it goes into the bundle.
    input:
        "results/{part}/model.pt",
    output:
        "results/bundle/{part}.pt",
    log:
        "logs/bundle/freeze/{part}.log",
    wildcard_constraints:
        part="organs|tumor",


use rule freeze as freeze_spacing with:
    # The median spacing of the discovery images, as it goes into the bundle.
    input:
        "results/cohort/spacing.json",
    output:
        "results/bundle/spacing.json",
    log:
        "logs/bundle/freeze/spacing.log",


use rule freeze as freeze_ranges with:
    # The attention ranges that a fold's training patients show, as they go into the bundle.
    input:
        "results/attention/ranges/fold{fold}.json",
    output:
        "results/bundle/fold{fold}/ranges.json",
    log:
        "logs/bundle/freeze/fold{fold}.ranges.log",


use rule freeze as freeze_method with:
    # The file of a method that a user added: text, which a hospital can read before it runs it.
    input:
        lambda w: methods.user_files[w.method],
    output:
        "results/bundle/methods/{method}.py",
    log:
        "logs/bundle/freeze/methods.{method}.log",


rule thresholds:
    """Thresholds and calibrations of one fold, from its validation part alone."""
    input:
        scores=expand(
            "results/{family}/fold{{fold}}/scores/{center}.tsv",
            family=methods.families,
            center=centers.discovery,
        ),
    output:
        frozen="results/bundle/fold{fold}/thresholds.json",
    log:
        "logs/predictions/fold{fold}/thresholds.log",
    benchmark:
        "logs/benchmarks/predictions/fold{fold}/thresholds.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("table")
    resources:
        **resources_of("table"),
    params:
        code=code("thresholds.py"),
        methods=methods.names,
        calls=methods.calls,
        operating_point=config["statistics"].get("operating_point"),
        keep=bool(config["statistics"].get("conformal")),
        metastasis=lambda w: patients.metastasis(folds.subset(w.fold, "validation")),
    script:
        "../scripts/thresholds.py"


rule reference:
    """How the examinations of one fold's training patients are, in means and correlations alone."""
    input:
        statistics=lambda w: paths.image_statistics(
            list(filter(patients.is_imaged, folds.subset(w.fold, "train")))
        ),
        nodes=lambda w: paths.instance_tables(
            list(filter(patients.is_imaged, folds.subset(w.fold, "train"))), w.fold
        ),
    output:
        reference="results/bundle/fold{fold}/reference.json",
    log:
        "logs/reference/fold{fold}.log",
    benchmark:
        "logs/benchmarks/reference/fold{fold}.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("table")
    resources:
        **resources_of("table"),
    params:
        code=code("reference.py"),
        train=lambda w: list(filter(patients.is_imaged, folds.subset(w.fold, "train"))),
    script:
        "../scripts/reference.py"


rule manifest:
    """Digest of every file of the bundle, and the settings that scoring uses."""
    input:
        parts=BUNDLE,
    output:
        manifest="results/bundle/manifest.json",
    log:
        "logs/bundle/manifest.log",
    conda:
        "../../envs/imaging.yaml"
    params:
        code=code("manifest.py"),
        settings=facts.bundle_settings(),
        scoring=lambda w: digests.of_scoring(methods),
    script:
        "../scripts/manifest.py"
