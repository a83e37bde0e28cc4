# Quality: whether a center's images are fit to be used.


rule quality:
    """Whether a center's images are fit to be used: spacing, coverage, HU, phases, registration."""
    input:
        unpack(lambda w: paths.images(masks.with_vessels(w.center))),
        unpack(lambda w: paths.masks("organs", masks.with_vessels(w.center))),
        records=lambda w: paths.registration_records(patients.imaged(w.center)),
        intake=lambda w: paths.intake_records(w.center),
        masks=lambda w: paths.mask_records(masks.read(w.center)),
        node_masks=lambda w: paths.drawn_nodes(w.center),
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
        **resources_of("center", lambda w: masks.with_vessels(w.center)),
    params:
        code=code("quality.py"),
        patients=lambda w: patients.of(w.center),
        labelled=lambda w: masks.with_vessels(w.center),
        labels=study.settings.anatomy["labels"],
        organ=study.settings.anatomy["tumor_organ"],
        facts=lambda w: facts.images(w.center),
    script:
        "../scripts/quality.py"


use rule quality as first_look with:
    input:
        records=lambda w: paths.registration_records(patients.imaged(w.center)),
        intake=lambda w: paths.intake_records(w.center),
        masks=lambda w: paths.mask_records(masks.read(w.center)),
        node_masks=lambda w: paths.drawn_nodes(w.center),
    output:
        html="results/report/first/{center}.html",
        record="results/report/first/{center}.json",
    log:
        "logs/report/first/{center}.log",
    benchmark:
        "logs/benchmarks/report/first/{center}.tsv"
    params:
        code=code("quality.py"),
        patients=lambda w: patients.of(w.center),
        labelled=[],
        labels=study.settings.anatomy["labels"],
        organ=study.settings.anatomy["tumor_organ"],
        facts=lambda w: facts.images(w.center) | {"first_look": True},


rule first_looks:
    """Pages about every center's images without any network: scans and registration."""
    input:
        expand("results/report/first/{center}.html", center=centers.with_images),


rule qualities:
    """The pages about the images of every center, organs included."""
    input:
        expand("results/report/qc/{center}.html", center=centers.with_images),
