# Cohort: the simulator or the hospital's own files, checked CT volumes, fold tables.


rule simulate:
    """One simulated patient: what a hospital would export, and the truth that it would not know."""
    output:
        arterial="results/simulator/images/{patient}/arterial.nii.gz",
        venous="results/simulator/images/{patient}/venous.nii.gz",
        organs="results/simulator/annotations/{patient}/organs.nii.gz",
        tumor="results/simulator/annotations/{patient}/tumor.nii.gz",
        lymph_nodes="results/simulator/annotations/{patient}/lymph_nodes.nii.gz",
        truth=directory("results/simulator/truth/{patient}"),
    log:
        "logs/cohort/simulate/{patient}.log",
    benchmark:
        "logs/benchmarks/cohort/simulate/{patient}.tsv"
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=memory("simulate"),
        runtime=minutes("simulate"),
    params:
        code=code("simulate.py"),
        row=lambda w: study.rows[w.patient],
        settings=lambda w: study.simulator_settings(w.patient),
        seed=config["seed"],
    script:
        "../scripts/simulate.py"


# The longest chain starts at the patients from whom organs are learned: they come first.
use rule simulate as simulate_teaching with:
    wildcard_constraints:
        patient=study.teaching,
    priority: 10


ruleorder: simulate_teaching > simulate


rule intake:
    """A CT as the hospital exported it, checked and brought into one orientation."""
    input:
        ct=lambda w: study.rows[w.patient][w.phase],
    output:
        ct="results/cohort/{patient}/{phase}.nii.gz",
        record="results/cohort/{patient}/{phase}.json",
    log:
        "logs/cohort/intake/{patient}.{phase}.log",
    benchmark:
        "logs/benchmarks/cohort/intake/{patient}.{phase}.tsv"
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=memory("intake"),
        runtime=minutes("intake"),
    params:
        code=code("intake.py"),
        series=lambda w: study.series(w.patient, w.phase),
        hu_offset=lambda w: study.hu_offset(w.patient),
    script:
        "../scripts/intake.py"


rule same_images:
    """Whether an image stands in two places; no job waits for it, `all` asks for it."""
    input:
        [f"results/cohort/{patient}/{phase}.json" for patient, phase in study.images],
    output:
        "results/cohort/same_images.json",
    log:
        "logs/cohort/same_images.log",
    priority: 30
    conda:
        "../../envs/imaging.yaml"
    params:
        code=code("same_images.py"),
        places=study.images,
    script:
        "../scripts/same_images.py"


rule spacing:
    """The voxel of the study grid, where the config says `median`; geometry holds no label."""
    input:
        [
            f"results/cohort/{patient}/{phase}.json"
            for patient in study.of(study.discovery)
            for phase in study.phases(patient)
        ],
    output:
        "results/cohort/spacing.json",
    log:
        "logs/cohort/spacing.log",
    conda:
        "../../envs/imaging.yaml"
    params:
        code=code("spacing.py"),
    script:
        "../scripts/spacing.py"


rule folds:
    """Who trains, chooses and tests in one fold of the nested cross-validation."""
    output:
        "results/cohort/folds/fold{fold}.tsv",
    log:
        "logs/cohort/folds/fold{fold}.log",
    conda:
        "../../envs/imaging.yaml"
    params:
        code=code("folds.py"),
        subsets=lambda w: study.fold(w.fold),
    script:
        "../scripts/folds.py"
