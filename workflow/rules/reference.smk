# Reference: numbers on each examination, by which a new one is compared with those that a model learned from.


rule image_statistics:
    """Scanner, timing of contrast medium, registration and anatomy of one chunk of patients."""
    input:
        unpack(lambda w: paths.images(patients.in_chunk(w.center, w.chunk))),
        unpack(lambda w: paths.masks("organs", patients.in_chunk(w.center, w.chunk))),
        unpack(lambda w: paths.masks("tumor", patients.in_chunk(w.center, w.chunk))),
        records=lambda w: paths.registration_records(
            patients.in_chunk(w.center, w.chunk)
        ),
        intake=lambda w: [
            f"results/cohort/{patient}/{phase}.json"
            for patient in patients.in_chunk(w.center, w.chunk)
            for phase in patients.phases(patient)
        ],
    output:
        rows="results/reference/{center}/chunk{chunk}.tsv",
    log:
        "logs/reference/{center}/chunk{chunk}.log",
    benchmark:
        "logs/benchmarks/reference/{center}/chunk{chunk}.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("center")
    resources:
        **resources_of("center", lambda w: patients.in_chunk(w.center, w.chunk)),
    params:
        code=code("image_statistics.py"),
        patients=lambda w: patients.in_chunk(w.center, w.chunk),
        anatomy={k: study.settings.anatomy[k] for k in ("labels", "tumor_organ")},
    script:
        "../scripts/image_statistics.py"
