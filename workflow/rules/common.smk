# What all rules share: the study, read once, and short names for its parts.

import os
import re
import sys
from pathlib import Path

from snakemake.logging import logger
from snakemake.utils import update_config

HERE = Path(workflow.current_basedir)
REPOSITORY = HERE.parent.parent
LIBRARY = str(HERE.parent / "lib")
sys.path.insert(0, LIBRARY)
# Snakemake hands that path on to scripts, but behind their own packages, where a nodestage that
# somebody installed would come first.
others = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
os.environ.update(PYTHONPATH=os.pathsep.join(dict.fromkeys([LIBRARY, *others])))

from nodestage.core import configs
from nodestage.core.errors import InputError
from nodestage.exchange.bundle import opened
from nodestage.study import (
    aliases,
    anatomy,
    digests,
    lacking,
    order,
    pretraining,
    schema,
    teachers,
)
from nodestage.study.study import load

update_config(config, configs.with_types(workflow.config_settings.config))
configs.keep_empty(config, workflow.config_settings.overwrite_config)
try:
    if workflow.is_main_process:
        for path in workflow.configfiles:
            # Of two equal keys Snakemake keeps the last without a word.
            aliases.check(configs.read(path))
    for warning in aliases.rename(config):
        if workflow.is_main_process:
            logger.warning(warning)
    bundle = opened(config["bundle"]) if isinstance(config["bundle"], str) else None
    if workflow.is_main_process:
        schema.check(config, anatomy.structures(config, bundle))
    defaults = [
        configs.load(REPOSITORY / f"config/{n}.yaml") for n in ("config", "simulator")
    ]
    order.as_in_defaults(config, defaults[0] | defaults[1])
    if bundle:
        aliases.rename(bundle.settings)
        if workflow.is_main_process:
            schema.check_bundle(bundle.settings, anatomy.structures(config, bundle))
        config.update(bundle.settings_over(config), anatomy=None)  # it brings its own
        for sentence in bundle.added.values() if workflow.is_main_process else []:
            logger.warning(sentence)
    # The main process has checked that every file is there; each job asks for its own.
    study = load(
        config,
        anatomy.path_of(config),
        bundle,
        files=workflow.is_main_process,
    )
    if workflow.is_main_process and not bundle:
        for warning in pretraining.missing(config):
            logger.warning(warning)
except InputError as error:
    raise WorkflowError(str(error))

paths, patients, folds, masks = study.paths, study.patients, study.folds, study.masks
centers, methods, facts = study.centers, study.methods, study.facts
threads, resources_of = study.resources.threads, study.resources.of
# A cluster's job reads the workflow again; digests are compared before it is submitted, not there.
code = digests.of_script if workflow.is_main_process else digests.not_compared

if study.bundle:
    study.bundle.compare_code(digests.of_scoring(methods))


def one_of(names):
    """A pattern of a wildcard that is one of these names; it matches nothing without names."""
    return "|".join(map(re.escape, sorted(names))) or "(?!)"


wildcard_constraints:
    patient=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    center=one_of(centers.names),
    phase="arterial|venous",
    role="organs|tumor|lymph_nodes",
    family=one_of(methods.families),
    fold=r"\d+",
    chunk=r"\d+",
    ranges=r"table|fold\d+",
    part=r"none|fold\d+",


def complete(wildcards):
    """Nothing to wait for, or an error that names what the study lacks; asked by `all` alone.

    A page or an image that is asked for by name may be had without.
    """
    try:
        lacking.check(study)
    except InputError as error:
        raise WorkflowError(str(error))
    return []


def nodes_tested(wildcards):
    """Test patients of a fold with drawn lymph nodes."""
    return folds.with_nodes(wildcards.fold, "test")


# What the network that marks every patient sees; the arterial phase lies on the venous grid.
TUMOR_PHASES = (
    ["arterial", "venous"] if config["tumor"].get("phases") == "both" else ["venous"]
)

# Whether that network starts from the weights of the arterial one; a bundle may be older than the key.
TUMOR_STARTS_ARTERIAL = config["tumor"].get("start") == "arterial"


def tumor_images(names):
    """The scans by which some patients' tumors are marked."""
    return {
        phase: [paths.image(name, phase) for name in names] for phase in TUMOR_PHASES
    }


def where_tumors_lie(names):
    """Organ labels of some patients, if the tumor's piece is chosen by the organ that holds it."""
    return {} if study.settings.piece_organ is None else paths.masks("organs", names)


WHOLE_STUDY = (
    []
    if study.bundle
    else expand("results/cohort/folds/fold{fold}.tsv", fold=folds)
    + ["results/report/study.html", "results/bundle/model_card.md"]
)
# Jobs that compare patients with each other. No other job waits for them, so that a new patient
# trains no network again; `all` asks for them, and they come first.
CHECKED = ["results/cohort/same_images.json"] + paths.drawn_nodes(centers.discovery)
THRESHOLDS = [paths.thresholds(fold) for fold in folds]
# Whether tables need more of the frozen thresholds than the calls that follow from them.
TABLES_NEED_THRESHOLDS = any(
    config["statistics"].get(key) for key in ("operating_point", "conformal")
)
LEARNING = [] if study.bundle else "results/statistics/evaluation/learning.tsv"


def drawn_volumes(center):
    """The table of a center's drawn lymph nodes; none where no usable patient has a mask of them."""
    if not masks.drawn("lymph_nodes", center):
        return []
    return [f"results/statistics/evaluation/drawn_nodes/{center}.tsv"]
