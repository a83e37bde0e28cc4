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
        *(f"{family}.pt" for family in study.families),
        "thresholds.json",
    )
]
BUNDLE += ["results/bundle/spacing.json"] if study.spacing_is_median else []


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
    script:
        "../scripts/manifest.py"
