"""What is missing for a study to run, by config and sheet: networks without training patients.

`schema.check` finds the faults of the config, `cohort.sheet_check` those of a row. This module
checks the study as a whole: too few patients for the folds, no masks for a network.
"""

from collections import Counter

from nodestage.core.errors import InputError
from nodestage.core.reasons import PHASE_MISSING, codes_of
from nodestage.lymph_nodes.crossfitting import training_sets
from nodestage.study import teachers
from nodestage.study.centers import SOURCES
from nodestage.study.study import Study, check_bundle

ADD_MASKS = (
    "Add such patients (docs/intake.md), or masks of every patient and `{mask}: {{source: given}}`"
)
MASKS = {"organs": "organ masks", "tumor": "tumor masks", "lymph_nodes": "lymph-node masks"}


def check(study: Study) -> None:
    """Raise one `InputError` with everything that the study lacks."""
    lacks = faults(study)
    if lacks:
        head = f"The study lacks {'something' if len(lacks) == 1 else f'{len(lacks)} things'}:"
        raise InputError("\n".join([head, *(f"  {sentence}" for sentence in lacks)]))


def faults(study: Study) -> list[str]:
    """A sentence for everything that is lacking; none where a bundle scores and nothing is trained."""
    if study.bundle:
        try:
            check_bundle(study)
        except InputError as error:
            return [str(error)]
        return []
    try:
        sentences = _nodes(study) if study.folds.tables else []
    except InputError as error:
        sentences = [str(error)]
    if _predicted(study, "organs"):
        sentences += _auxiliary(study, "organs") + _organs(study)
    if _predicted(study, "tumor"):
        sentences += _auxiliary(study, "tumor") + _tumor(study)
    return sentences


def _predicted(study: Study, mask: str) -> bool:
    """Whether any center is scored with this kind of mask predicted."""
    centers = study.centers
    scored = [center for center in centers.reported if center in centers.with_images]
    return any(centers.source(mask, center) == "predicted" for center in scored)


def _nodes(study: Study) -> list[str]:
    """Folds whose lymph-node networks have no training patients."""
    center = study.centers.discovery
    if not study.masks.drawn("lymph_nodes", center):
        return [
            _unusable(study, "lymph_nodes", [str(center)], "The lymph-node networks are trained on")
        ]
    without_training, without_inner = [], []
    for fold in study.folds:
        drawn = study.folds.with_nodes(fold, "train")
        if not drawn:
            without_training.append(fold)
            continue
        try:
            networks = training_sets([], drawn, [], study.folds.inner(fold))
        except InputError as error:
            return [str(error)]
        if not all(patients.train for patients in networks.values()):
            without_inner.append(fold)
    sentences = []
    if without_training:
        sentences.append(
            f"fold {_listed(without_training)}: none of the training patients has a `lymph_nodes` mask and images "
            "to go with it. Draw the nodes of more patients, or lower `folds.n`."
        )
    if without_inner:
        sentences.append(
            f"fold {_listed(without_inner)}: with `folds.inner: {study.config['folds']['inner']}` a network has no "
            "training patient with a `lymph_nodes` mask. Draw more, or set `folds.inner: 0`."
        )
    return sentences


def _organs(study: Study) -> list[str]:
    """Why the organ network on both phases can't be trained."""
    center = study.centers.discovery
    if study.masks.organ_set("train"):
        return []
    if study.masks.drawn("organs", center):
        return [
            f"Organs are predicted, and no patient of {center} with an `organs` mask has the `organ_set` train. "
            "The network on both phases is trained on these: write train into the column."
        ]
    subject = "Organs are predicted: the network on both phases is trained on"
    return [_unusable(study, "organs", [str(center)], subject)]


def _tumor(study: Study) -> list[str]:
    """Why the venous tumor network can't be trained."""
    center = study.centers.discovery
    if not study.patients.imaged(center) or study.masks.tumor_network:
        return []
    return [
        f"Tumors are predicted, and every patient of {center} has a drawn one: the venous network is "
        "trained on those without. Set `tumor: {source: given}`, or empty some cells."
    ]


def _auxiliary(study: Study, mask: str) -> list[str]:
    """Why the first network of a kind of mask, trained on auxiliary centers, can't be trained."""
    if not teachers.is_trained_here(study.config, mask):
        return []
    if study.masks.auxiliary(mask):
        return []
    subject = f"{mask.capitalize()}{'' if mask == 'organs' else 's'} are predicted"
    if not study.centers.auxiliary:
        return [
            f"{subject}, and no center has the role auxiliary: the first network is trained on {MASKS[mask]} of "
            f"such a center, not on those of {study.centers.discovery}. {ADD_MASKS.format(mask=mask)}."
        ]
    return [
        _unusable(
            study, mask, study.centers.auxiliary, f"{subject}: the first network is trained on"
        )
    ]


def _unusable(study: Study, mask: str, centers: list[str], subject: str) -> str:
    """Why no mask of some centers is usable: there is none, or its images can't be used."""
    rows = study.patients.rows
    drawn = [p for center in centers for p in study.patients.of(center) if rows[p][mask]]
    names = ", ".join(centers)
    if not drawn:
        fix = f"Add masks in the column `{mask}`"
        if mask in SOURCES:
            fix += f", or for every patient with `{mask}: {{source: given}}`"
        return f"{subject} {MASKS[mask]} of {names}, where no patient has one. {fix}."
    reasons = Counter(study.patients.why_not_imaged(p) for p in drawn)
    counts = ", ".join(f"{reason}: {n}" for reason, n in sorted(reasons.items()))
    fix = "Add what is missing"
    if any(codes_of(reason) & PHASE_MISSING for reason in reasons):
        fix += ", or set `substitute_phase: true` (one phase is then used for both)"
    return (
        f"{subject} {MASKS[mask]} of {names}, where {len(drawn)} patients have one, but none can be used "
        f"({counts}). {fix}."
    )


def _listed(folds: list[int]) -> str:
    return ", ".join(map(str, folds))
