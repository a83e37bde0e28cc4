# Cohort: the simulator or the hospital's own files, checked CT volumes, fold tables.


rule simulate:
    """One simulated patient: what a hospital would export, and the truth that it does not know."""
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
        **resources_of("simulate"),
    params:
        code=code("simulate.py"),
        row=lambda w: patients.rows[w.patient],
        settings=lambda w: study.settings.simulator(patients.rows[w.patient]),
        seed=config["seed"],
    script:
        "../scripts/simulate.py"


# The longest chain starts at the patients on whom the organ networks are trained: they come first.
ORGAN_TRAINING = one_of([*masks.auxiliary("organs"), *masks.organ_network])


use rule simulate as simulate_teaching with:
    wildcard_constraints:
        patient=ORGAN_TRAINING,
    priority: 10


ruleorder: simulate_teaching > simulate


rule intake:
    """A CT as the hospital exported it, checked and brought into one orientation."""
    input:
        ct=lambda w: patients.rows[w.patient][w.phase],
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
        **resources_of("intake"),
    params:
        code=code("intake.py"),
        series=lambda w: patients.series(w.patient, w.phase),
        hu_offset=lambda w: patients.hu_offset(w.patient),
    script:
        "../scripts/intake.py"


rule same_images:
    """Whether two images of the study are the same; no job waits for it, `all` asks for it."""
    input:
        [f"results/cohort/{patient}/{phase}.json" for patient, phase in patients.images],
    output:
        "results/cohort/same_images.json",
    log:
        "logs/cohort/same_images.log",
    priority: 30
    conda:
        "../../envs/imaging.yaml"
    params:
        code=code("same_images.py"),
        images=patients.images,
    script:
        "../scripts/same_images.py"


rule spacing:
    """The voxel of the study grid, where the config has `median`; geometry contains no label."""
    input:
        [
            f"results/cohort/{patient}/{phase}.json"
            for patient in patients.of(centers.discovery)
            for phase in patients.phases(patient)
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
    """Training, validation and test patients of one fold of the cross-validation."""
    output:
        "results/cohort/folds/fold{fold}.tsv",
    log:
        "logs/cohort/folds/fold{fold}.log",
    conda:
        "../../envs/imaging.yaml"
    params:
        code=code("folds.py"),
        subsets=lambda w: folds.table(w.fold),
    script:
        "../scripts/folds.py"
