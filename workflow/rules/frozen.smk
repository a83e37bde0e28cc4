# Frozen: where a bundle alone scores, its files replace the models that a study would train.


localrules:
    unpack_bundle,
    unpack_manifest,


rule unpack_bundle:
    """A file of the bundle that the config names, if it is still the one that was frozen."""
    input:
        lambda w: f"{study.bundle.folder}/{w.file}",
    output:
        "results/bundle/{file}",
    log:
        "logs/bundle/unpack/{file}.log",
    wildcard_constraints:
        file=one_of(study.bundle.digests),
    priority: 100
    conda:
        "../../envs/imaging.yaml"
    params:
        code=code("unpack_bundle.py"),
        digest=lambda w: study.bundle.digests[w.file],
    script:
        "../scripts/unpack_bundle.py"


rule unpack_manifest:
    """The bundle's manifest, once every file that it names has been checked."""
    input:
        manifest=f"{study.bundle.folder}/manifest.json",
        parts=[f"results/bundle/{file}" for file in study.bundle.digests],
    output:
        "results/bundle/manifest.json",
    log:
        "logs/bundle/unpack/manifest.log",
    conda:
        "../../envs/imaging.yaml"
    shell:
        "cp {input.manifest:q} {output} 2> {log}"
