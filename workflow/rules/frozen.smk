# Frozen: where only a bundle is at hand, its files stand where a study's own models would.


localrules:
    thaw,
    thaw_manifest,


rule thaw:
    """A file of the given bundle, if it is still the one that was frozen."""
    input:
        lambda w: f"{study.frozen.folder}/{w.file}",
    output:
        "results/bundle/{file}",
    log:
        "logs/bundle/thaw/{file}.log",
    wildcard_constraints:
        file="|".join(map(re.escape, study.frozen.digests)),
    priority: 100
    conda:
        "../../envs/imaging.yaml"
    params:
        code=code("thaw.py"),
        digest=lambda w: study.frozen.digests[w.file],
    script:
        "../scripts/thaw.py"


rule thaw_manifest:
    """The given manifest, once every file that it names was found whole."""
    input:
        manifest=f"{study.frozen.folder}/manifest.json",
        parts=[f"results/bundle/{file}" for file in study.frozen.digests],
    output:
        "results/bundle/manifest.json",
    log:
        "logs/bundle/thaw/manifest.log",
    conda:
        "../../envs/imaging.yaml"
    shell:
        "cp {input.manifest:q} {output} 2> {log}"
