"""What keeps a study from being run, as far as config and sheet can tell: nobody to learn from.

The config's own faults are found by `settings.check`, a row's by `cohort.check_sheet`. Here it is
the study as a whole: too few patients for the folds, a network without a teacher.
"""

from collections import Counter

from nodestage.core.errors import InputError
from nodestage.core.reasons import PHASE_MISSING, codes_of
from nodestage.lymph_nodes.crossfitting import learners
from nodestage.study.roster import SOURCES

# What the first networks of a kind of mask learn, and from whom.
TEACHERS = (
    "Give such patients (docs/intake.md), or masks for everybody and `{what}: {{source: given}}`"
)


def check(study):
    """Raise one `InputError` with everything that the study lacks."""
    found = faults(study)
    if found:
        head = f"The study lacks {'something' if len(found) == 1 else f'{len(found)} things'}:"
        raise InputError("\n".join([head, *(f"  {sentence}" for sentence in found)]))


def faults(study):
    """A sentence for everything that is lacking; none where a bundle scores and nothing is learned."""
    if study.frozen:
        try:
            study.check_bundle()
        except InputError as error:
            return [str(error)]
        return []
    try:
        found = _nodes(study) if study.folds else []
    except InputError as error:
        found = [str(error)]
    for what, teach in (("organs", _organs), ("tumor", _tumor)):
        if _predicted(study, what):
            found += teach(study)
    return found


def _predicted(study, what):
    """Whether any center is scored with this kind of mask predicted."""
    return any(study.source(what, c) == "predicted" for c in study.reported if c in study.at_hand)


def _nodes(study):
    """Each fold's networks: who teaches them the lymph nodes."""
    center = study.discovery
    if not study.annotated("lymph_nodes", center):
        return [_unusable(study, "lymph_nodes", [center], "The lymph-node networks learn from")]
    nobody, inner = [], []
    for fold in study.folds:
        known = study.node_trainers(fold)
        if not known:
            nobody.append(fold)
            continue
        try:
            networks = learners([], known, [], study.inner(fold))
        except InputError as error:
            return [str(error)]
        if not all(teachers for teachers, _ in networks.values()):
            inner.append(fold)
    found = []
    if nobody:
        found.append(
            f"fold {_listed(nobody)}: none of the training patients has a `lymph_nodes` mask and images to go "
            "with it. Draw the nodes of more patients, or lower `folds.n`."
        )
    if inner:
        found.append(
            f"fold {_listed(inner)}: with `folds.inner: {study.config['folds']['inner']}` a network has no "
            "patient with a `lymph_nodes` mask to learn from. Draw more, or set `folds.inner: 0`."
        )
    return found


def _organs(study):
    found = _teachers(study, "organs")
    center = study.discovery
    if not study.annotated("organs", center, "train"):
        if any(study.rows[p]["organs"] for p in study.annotated("organs", center)):
            found.append(
                f"Organs are predicted, and no patient of {center} with an `organs` mask has the `organ_set` train. "
                "The network on both phases learns from these: write train into the column."
            )
        else:
            found.append(
                _unusable(
                    study,
                    "organs",
                    [center],
                    "Organs are predicted: the network on both phases learns from",
                )
            )
    return found


def _tumor(study):
    found = _teachers(study, "tumor")
    if study.imaged(study.discovery) and not study.tumor_students:
        found.append(
            f"Tumors are predicted, and every patient of {study.discovery} has a drawn one: the venous network "
            "learns from those without. Set `tumor: {source: given}`, or empty some cells."
        )
    return found


def _teachers(study, what):
    """The first network of a kind of mask, which learns from auxiliary centers alone."""
    if study.teachers(what):
        return []
    said = f"{what.capitalize()}{'' if what == 'organs' else 's'} are predicted"
    if not study.auxiliary:
        return [
            f"{said}, and no center has the role auxiliary: the first network learns from {_masks(what)} of "
            f"such a center, those of {study.discovery} don't stand in. "
            f"{TEACHERS.format(what=what)}."
        ]
    return [_unusable(study, what, study.auxiliary, f"{said}: the first network learns from")]


def _unusable(study, what, centers, said):
    """Why no mask of some centers can teach: there is none, or the images beside them can't be used."""
    drawn = [p for center in centers for p in study.of(center) if study.rows[p][what]]
    names = ", ".join(centers)
    if not drawn:
        mend = f"Give masks in the column `{what}`"
        if what in SOURCES:
            mend += f", or for everybody with `{what}: {{source: given}}`"
        return f"{said} {_masks(what)} of {names}, where no patient has one. {mend}."
    reasons = Counter(study.why_not_imaged(p) for p in drawn)
    told = ", ".join(f"{reason}: {n}" for reason, n in sorted(reasons.items()))
    mend = "Give what is missing"
    if any(codes_of(reason) & PHASE_MISSING for reason in reasons):
        mend += ", or set `substitute_phase: true` (the phase at hand stands in for both)"
    return (
        f"{said} {_masks(what)} of {names}, where {len(drawn)} patients have one, but none can be used "
        f"({told}). {mend}."
    )


def _masks(what):
    return {"organs": "organ masks", "tumor": "tumor masks", "lymph_nodes": "lymph-node masks"}[
        what
    ]


def _listed(folds):
    return ", ".join(map(str, folds))
