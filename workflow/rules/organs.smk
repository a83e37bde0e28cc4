# Organs and vessels: a teacher from the auxiliary center, a student on both phases.


# Whether predictions are averaged over mirrored images; a bundle may be older than this key.
ORGANS_MIRRORED = bool(config["organs"].get("mirror"))


rule organs_teacher:
    """A single-phase network, trained on scans that another center labelled."""
    input:
        unpack(lambda w: paths.images(masks.auxiliary("organs"))),
        organs=[paths.drawn("organs", p) for p in masks.auxiliary("organs")],
    output:
        model="results/organs/teacher.pt",
    log:
        "logs/organs/teacher.log",
    benchmark:
        "logs/benchmarks/organs/teacher.tsv"
    priority: 20
    conda:
        "../../envs/deep.yaml"
    threads: threads("train")
    resources:
        **resources_of("train"),
    params:
        code=code("organs_teacher.py"),
        patients=masks.auxiliary("organs"),
        shown={
            p: centers.annotated_labels(patients.center_of(p))
            for p in masks.auxiliary("organs")
        },
        settings=config["organs"]["teacher"],
        seed=config["seed"],
    script:
        "../scripts/organs_teacher.py"


rule organs_pseudo:
    """The teacher's labels of both phases, joined with the vessels drawn by hand."""
    input:
        unpack(lambda w: paths.images(masks.organ_network)),
        organs=[paths.drawn("organs", p) for p in masks.organ_network],
        teacher="results/organs/teacher.pt",
    output:
        labels=directory("results/organs/pseudo"),
    log:
        "logs/organs/pseudo.log",
    benchmark:
        "logs/benchmarks/organs/pseudo.tsv"
    priority: 20
    conda:
        "../../envs/deep.yaml"
    threads: threads("predict")
    resources:
        **resources_of("predict"),
    params:
        code=code("organs_pseudo.py"),
        mirror=ORGANS_MIRRORED,
        patients=masks.organ_network,
        annotated=centers.annotated_labels(centers.discovery),
    script:
        "../scripts/organs_pseudo.py"


rule organs_student:
    """The network that labels every patient's organs and vessels, from both phases."""
    input:
        unpack(lambda w: paths.images(masks.organ_network)),
        pseudo="results/organs/pseudo",
    output:
        model="results/organs/model.pt",
    log:
        "logs/organs/student.log",
    benchmark:
        "logs/benchmarks/organs/student.tsv"
    priority: 20
    conda:
        "../../envs/deep.yaml"
    threads: threads("train")
    resources:
        **resources_of("train"),
    params:
        code=code("organs_student.py"),
        train=masks.organ_set("train"),
        validation=masks.organ_set("validation"),
        settings=config["organs"]["student"],
        seed=config["seed"],
    script:
        "../scripts/organs_student.py"


rule organs:
    """Organ and vessel labels of one chunk of a center's patients."""
    input:
        unpack(lambda w: paths.images(patients.in_chunk(w.center, w.chunk))),
        model=lambda w: paths.model("organs", w.center),
    output:
        labels=directory("results/organs/{center}/chunk{chunk}"),
    log:
        "logs/organs/{center}/chunk{chunk}.log",
    benchmark:
        "logs/benchmarks/organs/{center}/chunk{chunk}.tsv"
    conda:
        "../../envs/deep.yaml"
    threads: threads("predict")
    resources:
        **resources_of("predict"),
    params:
        code=code("organs.py"),
        mirror=ORGANS_MIRRORED,
        patients=lambda w: patients.in_chunk(w.center, w.chunk),
    script:
        "../scripts/organs.py"
