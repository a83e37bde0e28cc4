# Organs and vessels: a teacher from the auxiliary center, a student on both phases.


# Whether predictions are averaged over mirrored images; a bundle may be older than this key.
ORGANS_MIRRORED = bool(config["organs"].get("mirror"))


ORGANS_TEACHER = {
    "auxiliary": "results/organs/teacher.pt",
    "nnunet": "results/organs/teacher_nnunet.pt",
    "totalsegmentator": [],
}[teachers.kind(config, "organs")]
ORGANS_PSEUDO = (
    "results/organs/pseudo_totalsegmentator"
    if teachers.kind(config, "organs") == "totalsegmentator"
    else "results/organs/pseudo"
)


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
        classes=study.settings.teacher_classes,
        settings=config["organs"]["teacher"],
        seed=config["seed"],
    script:
        "../scripts/organs_teacher.py"


rule organs_teacher_nnunet:
    """A nnU-Net model of the user as the teacher: read without running anything in it."""
    input:
        teachers.files_of(config, "organs"),
    output:
        model="results/organs/teacher_nnunet.pt",
    log:
        "logs/organs/teacher_nnunet.log",
    conda:
        "../../envs/deep.yaml"
    params:
        code=code("nnunet_model.py"),
        folder=teachers.settings(config, "organs").get("nnunet"),
        label_system=teachers.settings(config, "organs").get("label_system"),
        known=study.settings.anatomy["labels"],
    script:
        "../scripts/nnunet_model.py"


rule totalsegmentator:
    """Organs by TotalSegmentator, where it is installed."""
    input:
        image="results/registration/{patient}/venous.nii.gz",
    output:
        labels="results/organs/totalsegmentator/{patient}.nii.gz",
    log:
        "logs/organs/totalsegmentator/{patient}.log",
    benchmark:
        "logs/benchmarks/organs/totalsegmentator/{patient}.tsv"
    conda:
        "../../envs/totalsegmentator.yaml"
    threads: threads("predict")
    resources:
        **resources_of("predict"),
    params:
        missing="Error: TotalSegmentator is not installed. Run with --use-conda, which installs it in "
        "an environment of its own, or install it where Snakemake runs (pip install "
        "TotalSegmentator), or choose another organs.teacher_source.",
    shell:
        """
        if ! command -v TotalSegmentator >/dev/null; then
            echo {params.missing:q} | tee {log:q} >&2
            exit 1
        fi
        TotalSegmentator -i {input.image:q} -o {output.labels:q} --ml --task total >{log:q} 2>&1
        """


rule organs_pseudo_totalsegmentator:
    """TotalSegmentator's labels in our numbers, joined with the vessels drawn by hand."""
    input:
        made=[
            f"results/organs/totalsegmentator/{p}.nii.gz" for p in masks.organ_network
        ],
        venous=[paths.image(p, "venous") for p in masks.organ_network],
        organs=[paths.drawn("organs", p) for p in masks.organ_network],
    output:
        labels=directory("results/organs/pseudo_totalsegmentator"),
    log:
        "logs/organs/pseudo_totalsegmentator.log",
    conda:
        "../../envs/deep.yaml"
    params:
        code=code("organs_pseudo_totalsegmentator.py"),
        patients=masks.organ_network,
        annotated=centers.annotated_labels(centers.discovery),
        labels=study.settings.anatomy["labels"],
    script:
        "../scripts/organs_pseudo_totalsegmentator.py"


rule organs_pseudo:
    """The teacher's labels of both phases, joined with the vessels drawn by hand."""
    input:
        unpack(lambda w: paths.images(masks.organ_network)),
        organs=[paths.drawn("organs", p) for p in masks.organ_network],
        teacher=ORGANS_TEACHER,
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
        pseudo=ORGANS_PSEUDO,
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
        classes=study.settings.classes,
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
