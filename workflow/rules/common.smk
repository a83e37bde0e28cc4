# What all stages share; the study, read once, and where its files lie.

import re
import sys
from pathlib import Path

HERE = Path(workflow.current_basedir)
REPOSITORY = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "lib"))

from nodestage import bundle, settings
from nodestage.digest import code_digest
from nodestage.errors import InputError
from nodestage.study import Study

try:
    if workflow.is_main_process:
        settings.check(config)
    frozen = bundle.opened(config["bundle"])
    if frozen:
        config.update(frozen.settings)
    study = Study.from_config(config, REPOSITORY / "config/anatomy.yaml", frozen)
except InputError as error:
    raise WorkflowError(str(error))


wildcard_constraints:
    patient=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    center="|".join(study.centers),
    phase="arterial|venous",
    role="organs|tumor|lymph_nodes",
    family="|".join(study.families),
    fold=r"\d+",
    chunk=r"\d+",


def code(script, *sources):
    """Digest of a script and the library code that it uses; a change of either reruns its jobs.

    `sources` are files that the script loads by name, which no import statement shows.
    """
    return code_digest(HERE.parent / "scripts" / script, *sources)


# What a new patient's score depends on. Its digest in the manifest tells a hospital whether it
# scores by the code that the model was frozen with.
SCORING = {
    script: code(f"{script}.py")
    for script in (
        "intake",
        "register",
        "annotation",
        "organs",
        "tumor",
        "tumor_views",
        "attention",
        "lymph_nodes",
        "identification",
        "radiomics_features",
        "predictions",
        "ensemble",
    )
} | {
    family: code("score.py", *study.sources(family))
    for family in study.families
    if not set(study.families[family]) & set(study.own_files)
}
if study.frozen:
    study.frozen.compare_code(SCORING)

WHOLE_STUDY = (
    []
    if study.frozen
    else expand("results/cohort/folds/fold{fold}.tsv", fold=study.folds)
    + ["results/report/study.html"]
)


def one_of(names):
    """A pattern of a wildcard that is one of these names; it fits nothing where there are none."""
    return "|".join(map(re.escape, sorted(names))) or "(?!)"


def threads(job):
    return study.jobs[job]["threads"]


def memory(job):
    """Megabytes for one kind of job; a retry gets more."""
    return lambda wildcards, attempt: study.jobs[job]["mem_mb"] * attempt


def gpus(job):
    """Cards for one job; Slurm gives them, and one machine shares out `--resources gpu=N`."""
    return study.jobs[job].get("gpu", 0)


def minutes(job):
    return lambda wildcards, attempt: study.jobs[job]["runtime"] * attempt


def image(patient, phase):
    """A CT on the study grid."""
    return f"results/registration/{patient}/{phase}.nii.gz"


def scans(patients):
    """Both phases of some patients, as two inputs in the patients' order."""
    return {
        phase: [image(p, phase) for p in patients] for phase in ("arterial", "venous")
    }


def median_spacing(patient):
    """The file with the study spacing; nothing where the config gives it in numbers."""
    if not study.spacing_is_median:
        return []
    home = "bundle" if study.role(study.center_of(patient)) == "external" else "cohort"
    return f"results/{home}/spacing.json"


def annotation(patient, role):
    """A given mask on the study grid."""
    return f"results/registration/{patient}/{role}.nii.gz"


def organs(patient):
    """The organ labels that every later stage uses: predicted, or given for the whole center.

    Predicted ones come by the chunk: the folder holds the patient's file.
    """
    return chosen_mask("organs", patient)


def tumor(patient):
    """The tumor mask, likewise."""
    return chosen_mask("tumor", patient)


def chosen_mask(role, patient):
    center = study.center_of(patient)
    if study.source(role, center) == "given":
        return annotation(patient, role)
    return f"results/{role}/{center}/chunk{study.chunk_of(patient)}"


def labelled(center):
    """Patients of a center whose vessels are known: everybody, in an auxiliary center those drawn."""
    if study.role(center) == "auxiliary":
        return study.annotated("organs", center)
    return study.imaged(center)


def seen_organs(patient):
    """The organ labels that tell a patient's vessels: an auxiliary center has its own alone."""
    if study.role(study.center_of(patient)) == "auxiliary":
        return annotation(patient, "organs")
    return organs(patient)


def attention(patient, fold):
    """The attention map; one a fold where ranges are estimated from the fold's training part."""
    place = "table" if study.ranges_from == "table" else f"fold{fold}"
    return f"results/attention/{place}/{patient}.nii.gz"


def estimated_ranges(patient, fold):
    """The file with a fold's own ranges; an external patient's comes from the bundle."""
    if study.role(study.center_of(patient)) == "external":
        return f"results/bundle/fold{fold}/ranges.json"
    return f"results/attention/ranges/fold{fold}.json"


def model(part, center, fold=None):
    """The weights that score a center: the stage's own, or the frozen bundle's for external centers."""
    fold = "" if fold is None else f"fold{fold}/"
    if study.role(center) == "external":
        return f"results/bundle/{fold}{part}.pt"
    return f"results/{part}/{fold}model.pt"


def node_chunks(fold, patients):
    """Folders with the lymph nodes of some patients as one fold's networks see them."""
    chunks = {(study.center_of(p), study.chunk_of(p)) for p in patients}
    return [f"results/lymph_nodes/fold{fold}/{c}/chunk{n}" for c, n in sorted(chunks)]


def instance_tables(fold, patients):
    """Tables with the identified lymph nodes of some patients."""
    chunks = {(study.center_of(p), study.chunk_of(p)) for p in patients}
    return [
        f"results/identification/fold{fold}/{c}/chunk{n}.tsv" for c, n in sorted(chunks)
    ]


def method_inputs(wildcards, patients):
    """Files that the methods of a family look at, of the patients that have images."""
    needs = {
        need for m in study.families[wildcards.family].values() for need in m["needs"]
    }
    imaged = [p for p in patients if study.is_imaged(p)]
    found = (
        {"records": [f"results/registration/{p}/record.json" for p in imaged]}
        if needs
        else {}
    )
    if "views" in needs:
        found["views"] = [f"results/tumor/slices/{p}.npz" for p in imaged]
    if "radiomics" in needs:
        found["radiomics"] = [f"results/baselines/radiomics/{p}.tsv" for p in imaged]
    if "nodes" in needs:
        found["nodes"] = instance_tables(wildcards.fold, imaged)
    return found


def center_predictions(center):
    """The prediction tables that a center's statistics read."""
    return expand(
        "results/predictions/{method}/{part}/{center}.tsv",
        method=study.methods,
        part=study.parts(center),
        center=center,
    )
