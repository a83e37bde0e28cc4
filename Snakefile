# nodestage: from two-phase CT to a patient's lymph-node status, and whether it holds elsewhere.
# What each stage is for: docs/stages.md. Every setting: config/README.md.

from snakemake.utils import min_version

min_version("9.0")


configfile: f"{workflow.current_basedir}/config/config.yaml"
configfile: f"{workflow.current_basedir}/config/simulator.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/scheduling.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/cohort.smk"
include: "workflow/rules/registration.smk"
include: "workflow/rules/organs.smk"
include: "workflow/rules/tumor.smk"
include: "workflow/rules/attention.smk"
include: "workflow/rules/lymph_nodes.smk"
include: "workflow/rules/identification.smk"
include: "workflow/rules/baselines.smk"
include: "workflow/rules/methods.smk"
include: "workflow/rules/frozen.smk" if study.frozen else "workflow/rules/bundle.smk"
include: "workflow/rules/predictions.smk"
include: "workflow/rules/statistics.smk"
include: "workflow/rules/returned.smk"
include: "workflow/rules/report.smk"


rule all:
    """A report for each center and, where the study is at hand, one for all of it."""
    default_target: True
    input:
        expand("results/report/{center}.html", center=study.reported),
        expand("results/report/qc/{center}.html", center=study.at_hand),
        WHOLE_STUDY,
        "results/bundle/manifest.json",
        expand("results/returned/{center}.tsv", center=study.at_hand)
        if study.frozen
        else [],


localrules:
    all,
    first_looks,
    qualities,
    spacing,
    folds,
