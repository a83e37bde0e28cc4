# Tumor: masks (arterial network, its pseudo masks, venous network), then views.


# Whether predictions are averaged over mirrored images; a bundle may be older than this key.
TUMOR_MIRRORED = bool(config["tumor"].get("mirror"))
# Whether the arterial network is fine-tuned on its pseudo masks; a bundle may be older than this key.
FINETUNED = bool(config["tumor"].get("finetune"))


TUMOR_TEACHER = (
    "results/tumor/arterial.pt"
    if teachers.is_trained_here(config, "tumor")
    else "results/tumor/teacher_nnunet.pt"
)


rule tumor_arterial:
    """A single-phase network, trained on tumors that another center drew on arterial CT."""
    input:
        arterial=[paths.image(p, "arterial") for p in masks.auxiliary("tumor")],
        tumor=[paths.drawn("tumor", p) for p in masks.auxiliary("tumor")],
    output:
        model="results/tumor/arterial.pt",
    log:
        "logs/tumor/arterial.log",
    benchmark:
        "logs/benchmarks/tumor/arterial.tsv"
    conda:
        "../../envs/deep.yaml"
    threads: threads("train")
    resources:
        **resources_of("train"),
    params:
        code=code("tumor_arterial.py"),
        patients=masks.auxiliary("tumor"),
        settings=config["tumor"]["network"],
        seed=config["seed"],
    script:
        "../scripts/tumor_arterial.py"


use rule organs_teacher_nnunet as tumor_teacher_nnunet with:
    input:
        teachers.files_of(config, "tumor"),
    output:
        model="results/tumor/teacher_nnunet.pt",
    log:
        "logs/tumor/teacher_nnunet.log",
    params:
        code=code("nnunet_model.py"),
        folder=teachers.settings(config, "tumor").get("nnunet"),
        label_system=teachers.settings(config, "tumor").get("label_system"),
        known={"tumor": 1},
        channels=[teachers.phase(config)],


rule tumor_pseudo:
    """Masks of the first network, on the venous grid by way of the registration."""
    input:
        **where_tumors_lie(masks.tumor_network),
        arterial=[paths.image(p, teachers.phase(config)) for p in masks.tumor_network],
        model=TUMOR_TEACHER,
    output:
        masks=directory("results/tumor/pseudo"),
    log:
        "logs/tumor/pseudo.log",
    benchmark:
        "logs/benchmarks/tumor/pseudo.tsv"
    conda:
        "../../envs/deep.yaml"
    threads: threads("predict")
    resources:
        **resources_of("predict"),
    params:
        code=code("tumor_pseudo.py"),
        mirror=TUMOR_MIRRORED,
        patients=masks.tumor_network,
        organ=study.settings.piece_organ,
    script:
        "../scripts/tumor_pseudo.py"


rule tumor_finetune:
    """The arterial network trained on with its own pseudo masks (Section IV-B)."""
    input:
        arterial=[paths.image(p, "arterial") for p in masks.tumor_network],
        pseudo="results/tumor/pseudo",
        start="results/tumor/arterial.pt",
    output:
        model="results/tumor/finetuned.pt",
    log:
        "logs/tumor/finetuned.log",
    benchmark:
        "logs/benchmarks/tumor/finetuned.tsv"
    conda:
        "../../envs/deep.yaml"
    threads: threads("train")
    resources:
        **resources_of("train"),
    params:
        code=code("tumor_finetune.py"),
        patients=masks.tumor_network,
        settings=config["tumor"]["network"],
        seed=config["seed"],
    script:
        "../scripts/tumor_finetune.py"


use rule tumor_pseudo as tumor_pseudo_finetuned with:
    input:
        **where_tumors_lie(masks.tumor_network),
        arterial=[paths.image(p, "arterial") for p in masks.tumor_network],
        model="results/tumor/finetuned.pt",
    output:
        masks=directory("results/tumor/pseudo_finetuned"),
    log:
        "logs/tumor/pseudo_finetuned.log",
    benchmark:
        "logs/benchmarks/tumor/pseudo_finetuned.tsv"


rule tumor_venous:
    """The final network, trained on the pseudo masks; drawn masks only test it."""
    input:
        **tumor_images(masks.tumor_network),
        pseudo="results/tumor/pseudo" + ("_finetuned" if FINETUNED else ""),
        start=(
            f"results/tumor/{'finetuned' if FINETUNED else 'arterial'}.pt"
            if TUMOR_STARTS_ARTERIAL
            else []
        ),
    output:
        model="results/tumor/model.pt",
    log:
        "logs/tumor/venous.log",
    benchmark:
        "logs/benchmarks/tumor/venous.tsv"
    conda:
        "../../envs/deep.yaml"
    threads: threads("train")
    resources:
        **resources_of("train"),
    params:
        code=code("tumor_venous.py"),
        patients=masks.tumor_network,
        phases=TUMOR_PHASES,
        settings=config["tumor"]["network"],
        seed=config["seed"],
    script:
        "../scripts/tumor_venous.py"


rule tumor:
    """Tumor masks of one chunk of a center's patients."""
    input:
        unpack(lambda w: where_tumors_lie(patients.in_chunk(w.center, w.chunk))),
        unpack(lambda w: tumor_images(patients.in_chunk(w.center, w.chunk))),
        model=lambda w: paths.model("tumor", w.center),
    output:
        masks=directory("results/tumor/{center}/chunk{chunk}"),
    log:
        "logs/tumor/{center}/chunk{chunk}.log",
    benchmark:
        "logs/benchmarks/tumor/{center}/chunk{chunk}.tsv"
    conda:
        "../../envs/deep.yaml"
    threads: threads("predict")
    resources:
        **resources_of("predict"),
    params:
        code=code("tumor.py"),
        mirror=TUMOR_MIRRORED,
        threshold=config["tumor"].get("threshold", 0.5),  # a bundle may be older than this key
        patients=lambda w: patients.in_chunk(w.center, w.chunk),
        organ=study.settings.piece_organ,
    script:
        "../scripts/tumor.py"


rule tumor_views:
    """Nine slices and a crop of a patient's tumor."""
    input:
        unpack(lambda w: paths.masks("tumor", [w.patient])),
        unpack(lambda w: paths.masks("organs", [w.patient])),
        arterial="results/registration/{patient}/arterial.nii.gz",
        venous="results/registration/{patient}/venous.nii.gz",
        registration="results/registration/{patient}/record.json",
    output:
        views="results/tumor/slices/{patient}.npz",
    log:
        "logs/tumor/slices/{patient}.log",
    benchmark:
        "logs/benchmarks/tumor/slices/{patient}.tsv"
    conda:
        "../../envs/imaging.yaml"
    threads: threads("patient")
    resources:
        **resources_of("patient"),
    params:
        code=code("tumor_views.py"),
        size=config["tumor"]["slice_size"],
        pixel_mm=config["tumor"].get("pixel_mm"),  # a bundle may be older than this key
        crop=config["tumor"]["crop"],
        fallback=study.settings.view_organ,
        organ=study.settings.tumor_organ,
    script:
        "../scripts/tumor_views.py"
