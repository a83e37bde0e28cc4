# What all stages share; the study, read once, and where its files lie.

import math
import os
import re
import sys
from pathlib import Path

HERE = Path(workflow.current_basedir)
REPOSITORY = HERE.parent.parent
LIBRARY = str(HERE.parent / "lib")
sys.path.insert(0, LIBRARY)
# Snakemake hands that path on to scripts, but behind their own packages, where a nodestage that
# somebody installed would come first.
others = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
os.environ.update(PYTHONPATH=os.pathsep.join(dict.fromkeys([LIBRARY, *others])))

from nodestage.exchange import bundle
from nodestage.study import settings
from nodestage.core import configs
from nodestage.core.digest import code_digest
from nodestage.core.errors import InputError
from nodestage.study import Study, lacking

try:
    if workflow.is_main_process:
        for path in workflow.configfiles:
            configs.read(path)  # Snakemake keeps the last of two equal keys in silence
        settings.check(config)
    frozen = bundle.opened(config["bundle"])
    if frozen:
        config.update(frozen.settings)
    # Whose files are there was asked before any job began; each job asks for its own.
    study = Study.from_config(
        config,
        REPOSITORY / "config/anatomy.yaml",
        frozen,
        files=workflow.is_main_process,
    )
except InputError as error:
    raise WorkflowError(str(error))


def one_of(names):
    """A pattern of a wildcard that is one of these names; it fits nothing where there are none."""
    return "|".join(map(re.escape, sorted(names))) or "(?!)"


wildcard_constraints:
    patient=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    center=one_of(study.centers),
    phase="arterial|venous",
    role="organs|tumor|lymph_nodes",
    family=one_of(study.families),
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
        *(["candidates"] if study.candidates else []),
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


def complete(wildcards):
    """Nothing to wait for, or an error that says what the study lacks; asked by `all` alone.

    A page or an image that is asked for by name may be had without.
    """
    try:
        lacking.check(study)
    except InputError as error:
        raise WorkflowError(str(error))
    return []


def drawn_nodes(center):
    """The summary of a center's drawn nodes: of the discovery center, where it is at hand."""
    if study.frozen or center != study.discovery:
        return []
    return ["results/registration/drawn_nodes.json"]


# Jobs that hold patients against each other. No other job waits for them, so that a new patient
# makes no network again; `all` asks for them, and they come first.
CHECKED = ["results/cohort/same_images.json"] + drawn_nodes(study.discovery)


def threads(job):
    return study.jobs[job]["threads"]


def memory(job):
    """Megabytes for one kind of job; a retry gets more."""
    return lambda wildcards, attempt: study.jobs[job]["mem_mb"] * attempt


def gpus(job):
    """Cards for one job; Slurm gives them, and one machine shares out `--resources gpu=N`."""
    return study.jobs[job].get("gpu", 0)


def minutes(job, patients=None):
    """Minutes for one kind of job; a retry gets more.

    `patients`, a function of the wildcards, gives those whom the job goes through one by one.
    """

    def found(wildcards, attempt):
        about = study.jobs[job]
        each = about.get("seconds_per_patient", 0) / 60
        many = len(patients(wildcards)) if patients else 0
        return math.ceil((about["runtime"] + each * many) * attempt)

    return found


def image(patient, phase):
    """A CT on the study grid."""
    return f"results/registration/{patient}/{phase}.nii.gz"


def scans(patients):
    """Both phases of some patients, as two inputs in the patients' order."""
    return {
        phase: [image(p, phase) for p in patients] for phase in ("arterial", "venous")
    }


def annotation(patient, role):
    """A given mask on the study grid."""
    return f"results/registration/{patient}/{role}.nii.gz"


def chunk(patient):
    """Where under a stage's folder a patient is found who is predicted along with others."""
    return f"{study.center_of(patient)}/chunk{study.chunk_of(patient)}"


def organs(patient):
    """The organ labels that every later stage uses: predicted, or given for the whole center.

    Predicted ones come by the chunk: the folder holds the patient's file.
    """
    return chosen_mask("organs", patient)


def tumor(patient):
    """The tumor mask, likewise."""
    return chosen_mask("tumor", patient)


def chosen_mask(role, patient):
    if study.source(role, study.center_of(patient)) == "given":
        return annotation(patient, role)
    return f"results/{role}/{chunk(patient)}"


def trained():
    """Files of all networks and methods that this study trains; none where a bundle scores."""
    if study.frozen:
        return []
    shared = {"organs": ["teacher", "model"], "tumor": ["arterial", "model"]}
    return [
        f"results/{part}/{name}.pt"
        for part, names in shared.items()
        if study.source(part, study.discovery) == "predicted"
        for name in names
    ] + expand(
        "results/{part}/fold{fold}/model.pt",
        part=["lymph_nodes", "identification", *study.families],
        fold=study.folds,
    )


LEARNING = [] if study.frozen else "results/statistics/evaluation/learning.tsv"


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


def learned(center, own, frozen):
    """A file that discovery patients taught: a stage's own, or its copy in the bundle.

    External centers read the bundle, as a hospital elsewhere does: nothing else of the
    discovery center reaches their scores.
    """
    external = study.role(center) == "external"
    return f"results/bundle/{frozen}" if external else f"results/{own}"


def model(part, center, fold=None):
    """The weights that score a center."""
    fold = "" if fold is None else f"fold{fold}/"
    return learned(center, f"{part}/{fold}model.pt", f"{fold}{part}.pt")


def median_spacing(patient):
    """The file with the study spacing; nothing where the config gives it in numbers."""
    if not study.spacing_is_median:
        return []
    return learned(study.center_of(patient), "cohort/spacing.json", "spacing.json")


def estimated_ranges(patient, fold):
    """The file with the ranges that a fold's training part shows."""
    return learned(
        study.center_of(patient),
        f"attention/ranges/fold{fold}.json",
        f"fold{fold}/ranges.json",
    )


def nodes(patient, fold):
    """The folder that holds a patient's lymph nodes as one fold's networks see them."""
    return f"results/lymph_nodes/fold{fold}/{chunk(patient)}"


def instances(patient, fold):
    """The table that holds a patient's identified lymph nodes, with all that is said of each."""
    stage = "candidates" if study.candidates else "identification"
    return f"results/{stage}/fold{fold}/{chunk(patient)}.tsv"


def instance_tables(fold, patients):
    """Those of some patients, each once."""
    return sorted({instances(p, fold) for p in patients})


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
