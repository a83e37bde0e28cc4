# Truth: predicted masks and scores against what the simulator knows; no other rule reads it.


rule evaluate_truth:
    """Organs, tumor and lymph nodes against the simulator's truth."""
    input:
        unpack(lambda w: paths.masks("organs", patients.imaged(w.center))),
        unpack(lambda w: paths.masks("tumor", patients.imaged(w.center))),
        truth=lambda w: [
            f"results/simulator/truth/{p}" for p in patients.imaged(w.center)
        ],
        grid=lambda w: [paths.image(p, "venous") for p in patients.imaged(w.center)],
        nodes=lambda w: [
            paths.nodes(p, folds.fold_of(p)) for p in patients.imaged(w.center)
        ],
    output:
        rows="results/statistics/evaluation/truth/{center}.tsv",
    log:
        "logs/statistics/evaluate_truth/{center}.log",
    benchmark:
        "logs/benchmarks/statistics/evaluate_truth/{center}.tsv"
    conda:
        "../../envs/imaging.yaml"
    threads: threads("center")
    resources:
        **resources_of("center", lambda w: patients.imaged(w.center)),
    params:
        code=code("evaluate_truth.py"),
        patients=lambda w: patients.imaged(w.center),
        labels=study.settings.anatomy["labels"],
        # On whose grid the masks lie.
        phase=study.settings.one_phase or "venous",
    script:
        "../scripts/evaluate_truth.py"


rule evaluate_oracle:
    """Every method beside an oracle that knows the cues of the simulated patients."""
    input:
        truth=lambda w: [f"results/simulator/truth/{p}" for p in patients.of(w.center)],
        predictions=lambda w: paths.predictions(w.center),
    output:
        rows="results/statistics/evaluation/oracle/{center}.tsv",
    log:
        "logs/statistics/evaluate_oracle/{center}.log",
    benchmark:
        "logs/benchmarks/statistics/evaluate_oracle/{center}.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: threads("table")
    resources:
        **resources_of("table"),
    params:
        code=code("evaluate_oracle.py"),
        patients=lambda w: patients.of(w.center),
        role=lambda w: centers.role(w.center),
        rows=lambda w: facts.table_rows(w.center),
        methods=methods.names,
        scored=lambda w: folds.of_parts(w.center),
        settings=methods.calls,
        laws={k: config["simulator"][k] for k in ("nodes", "node_effect")},
    script:
        "../scripts/evaluate_oracle.py"
