# Organs and vessels: a teacher from the auxiliary center, a student on both phases.


rule organs_teacher:
    """A single-phase network, trained on scans that another center labelled."""
    input:
        unpack(lambda w: scans(study.teachers("organs"))),
        organs=[annotation(p, "organs") for p in study.teachers("organs")],
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
        mem_mb=memory("train"),
        runtime=minutes("train"),
        gpu=gpus("train"),
    params:
        code=code("organs_teacher.py"),
        patients=study.teachers("organs"),
        settings=config["organs"]["teacher"],
        seed=config["seed"],
    script:
        "../scripts/organs_teacher.py"


rule organs_pseudo:
    """The teacher's labels of both phases, joined with the vessels drawn by hand."""
    input:
        unpack(lambda w: scans(study.organ_students)),
        organs=[annotation(p, "organs") for p in study.organ_students],
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
        mem_mb=memory("predict"),
        runtime=minutes("predict"),
        gpu=gpus("predict"),
    params:
        code=code("organs_pseudo.py"),
        patients=study.organ_students,
        annotated=study.annotated_labels(study.discovery),
    script:
        "../scripts/organs_pseudo.py"


rule organs_student:
    """The network that labels every patient's organs and vessels, from both phases."""
    input:
        unpack(lambda w: scans(study.organ_students)),
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
        mem_mb=memory("train"),
        runtime=minutes("train"),
        gpu=gpus("train"),
    params:
        code=code("organs_student.py"),
        train=study.annotated("organs", study.discovery, "train"),
        validation=study.annotated("organs", study.discovery, "validation"),
        settings=config["organs"]["student"],
        seed=config["seed"],
    script:
        "../scripts/organs_student.py"


rule organs:
    """Organ and vessel labels of one chunk of a center's patients."""
    input:
        unpack(lambda w: scans(study.in_chunk(w.center, w.chunk))),
        model=lambda w: model("organs", w.center),
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
        mem_mb=memory("predict"),
        runtime=minutes("predict"),
        gpu=gpus("predict"),
    params:
        code=code("organs.py"),
        patients=lambda w: study.in_chunk(w.center, w.chunk),
    script:
        "../scripts/organs.py"
