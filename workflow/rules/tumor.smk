# Tumor: masks without masks of our own (arterial teacher, pseudo masks, venous model), then views.


rule tumor_arterial:
    """A single-phase network, trained on tumors that another center drew on arterial CT."""
    input:
        arterial=[image(p, "arterial") for p in study.teachers("tumor")],
        tumor=[annotation(p, "tumor") for p in study.teachers("tumor")],
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
        mem_mb=memory("train"),
        runtime=minutes("train"),
        gpu=gpus("train"),
    params:
        code=code("tumor_arterial.py"),
        patients=study.teachers("tumor"),
        settings=config["tumor"]["network"],
        seed=config["seed"],
    script:
        "../scripts/tumor_arterial.py"


rule tumor_pseudo:
    """Masks that the arterial network finds; the registration has carried them onto the venous grid."""
    input:
        arterial=[image(p, "arterial") for p in study.tumor_students],
        model="results/tumor/arterial.pt",
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
        mem_mb=memory("predict"),
        runtime=minutes("predict"),
        gpu=gpus("predict"),
    params:
        code=code("tumor_pseudo.py"),
        patients=study.tumor_students,
    script:
        "../scripts/tumor_pseudo.py"


rule tumor_venous:
    """The venous network, trained from scratch on the pseudo masks; drawn masks only test it."""
    input:
        venous=[image(p, "venous") for p in study.tumor_students],
        pseudo="results/tumor/pseudo",
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
        mem_mb=memory("train"),
        runtime=minutes("train"),
        gpu=gpus("train"),
    params:
        code=code("tumor_venous.py"),
        patients=study.tumor_students,
        settings=config["tumor"]["network"],
        seed=config["seed"],
    script:
        "../scripts/tumor_venous.py"


rule tumor:
    """Tumor masks of one chunk of a center's patients."""
    input:
        venous=lambda w: [image(p, "venous") for p in study.in_chunk(w.center, w.chunk)],
        model=lambda w: model("tumor", w.center),
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
        mem_mb=memory("predict"),
        runtime=minutes("predict"),
        gpu=gpus("predict"),
    params:
        code=code("tumor.py"),
        patients=lambda w: study.in_chunk(w.center, w.chunk),
    script:
        "../scripts/tumor.py"


rule tumor_views:
    """Nine slices and a crop of a patient's tumor."""
    input:
        arterial="results/registration/{patient}/arterial.nii.gz",
        venous="results/registration/{patient}/venous.nii.gz",
        registration="results/registration/{patient}/record.json",
        tumor=lambda w: tumor(w.patient),
        organs=lambda w: organs(w.patient),
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
        mem_mb=memory("patient"),
        runtime=minutes("patient"),
    params:
        code=code("tumor_views.py"),
        size=config["tumor"]["slice_size"],
        pixel_mm=config["tumor"]["pixel_mm"],
        crop=config["tumor"]["crop"],
        fallback=config["tumor"]["without_mask"],
        pancreas=study.anatomy["labels"]["pancreas"],
    script:
        "../scripts/tumor_views.py"
