# Bundle: all that scoring a patient needs, frozen; a hospital elsewhere receives the same files.

BUNDLE = [
    f"results/bundle/{part}.pt"
    for part in ("organs", "tumor")
    if study.source(part, study.discovery) == "predicted"
] + [
    f"results/bundle/fold{fold}/{part}"
    for fold in study.folds
    for part in (
        "lymph_nodes.pt",
        "identification.pt",
        *(["candidates.pt"] if study.candidates else []),
        *(f"{family}.pt" for family in study.families),
        *(["ranges.json"] if study.ranges_from == "estimated" else []),
        "thresholds.json",
    )
]
BUNDLE += ["results/bundle/spacing.json"] if study.spacing_is_median else []
BUNDLE += [f"results/bundle/methods/{method}.py" for method in study.own_files]


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
        "cp {input} {output} 2> {log}"


rule freeze_shared:
    """A model that no fold owns (organs, tumor), as it goes into the bundle."""
    input:
        "results/{part}/model.pt",
    output:
        "results/bundle/{part}.pt",
    log:
        "logs/bundle/freeze/{part}.log",
    wildcard_constraints:
        part="organs|tumor",
    conda:
        "../../envs/imaging.yaml"
    shell:
        "cp {input} {output} 2> {log}"


rule freeze_spacing:
    """The median spacing of the discovery images, as it goes into the bundle."""
    input:
        "results/cohort/spacing.json",
    output:
        "results/bundle/spacing.json",
    log:
        "logs/bundle/freeze/spacing.log",
    conda:
        "../../envs/imaging.yaml"
    shell:
        "cp {input} {output} 2> {log}"


rule freeze_ranges:
    """The attention ranges that a fold's training part shows, as they go into the bundle."""
    input:
        "results/attention/ranges/fold{fold}.json",
    output:
        "results/bundle/fold{fold}/ranges.json",
    log:
        "logs/bundle/freeze/fold{fold}.ranges.log",
    conda:
        "../../envs/imaging.yaml"
    shell:
        "cp {input} {output} 2> {log}"


rule freeze_method:
    """The file of a method that a user added: text, which a hospital can read before it runs it."""
    input:
        lambda w: study.own_files[w.method],
    output:
        "results/bundle/methods/{method}.py",
    log:
        "logs/bundle/freeze/methods.{method}.log",
    conda:
        "../../envs/imaging.yaml"
    shell:
        "cp {input:q} {output} 2> {log}"


rule thresholds:
    """Thresholds and calibrations of one fold, from its validation part alone."""
    input:
        scores=expand(
            "results/{family}/fold{{fold}}/scores/{center}.tsv",
            family=study.families,
            center=study.discovery,
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
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=code("thresholds.py"),
        methods=study.methods,
        calls=study.calls,
        metastasis=lambda w: study.metastasis(study.subset(w.fold, "validation")),
    script:
        "../scripts/thresholds.py"


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
        settings=study.frozen_settings(),
        scoring=SCORING,
    script:
        "../scripts/manifest.py"
