"""Whether a center's images are fit to be used: flags of patients, and notes on the whole center.

It needs only the organ network, so it can be used before any network for nodes is trained.
"""

from collections import Counter
from dataclasses import asdict, dataclass, field
from statistics import median

from nodestage.cohort import notices, plausible
from nodestage.report.facts import Flag, flags
from nodestage.statistics import vocabulary

MIN_OF_MEDIAN = 0.75
"""A similarity of the phases below this share of the center's median is worth a look."""

VESSELS = ("aorta", "portal_splenic_vein")

COMMON, MIN_PATIENTS = 0.8, 3
"""A flag that at least this share of at least so many patients carry is a note on the center."""

ALL_NEGATIVE = (
    "lymph nodes: metastasis, but every drawn node is negative (1): correct if the positive nodes "
    "are not visible"
)


@dataclass
class Patient:
    """What is known of a patient's images.

    intake : {phase: record}, of the phases that there are
    registration : its record; empty where there is none
    contrast : of `cohort.phase_contrast`; empty without organs or without two phases
    volumes : {structure: ml} of the organ labels; None without any
    flags : list of `facts.Flag`
    reason : why no image is used, or ""
    changes : {phase or mask: sentences} on what intake left out or changed of it
    """

    code: str
    intake: dict
    registration: dict
    contrast: dict
    reason: str
    volumes: dict | None = None
    flags: list = field(default_factory=list)
    changes: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Records:
    """Records of a center's patients, each {patient: record}.

    Attributes
    ----------
    intake : {patient: {phase: record}}
    masks : {patient: {role: record}} of the drawn masks
    registration : {patient: record}
    contrast : {patient: what `cohort.phase_contrast` gave}
    reasons : {patient: why the images are not used}
    volumes : {patient: {structure: ml}} of the organ labels, of those who have any
    drawn_organs : whether the organ masks came with the images. Then a center need not draw every structure: a
        structure is missing in a patient only if another patient shows it.
    negative : patients with metastasis whose drawn nodes are all negative
    organ : the structure that holds the tumor
    known : names of the study's structures; empty: all may be labelled
    """

    intake: dict = field(default_factory=dict)
    masks: dict = field(default_factory=dict)
    registration: dict = field(default_factory=dict)
    contrast: dict = field(default_factory=dict)
    reasons: dict = field(default_factory=dict)
    volumes: dict = field(default_factory=dict)
    drawn_organs: bool = False
    negative: tuple = ()
    organ: str = "pancreas"
    known: tuple = ()


def patients(codes, records):
    """(list of `Patient`, notes): those with most flags first, and sentences on the whole center.

    Parameters
    ----------
    codes : the center's patients
    records : Records
    """
    people = [_patient(code, records) for code in codes]
    missing, notes = _missing(people, records)
    known = [value for value in (similarity(p.registration) for p in people) if value is not None]
    drawn = {name for volumes in records.volumes.values() for name in volumes}
    vessels = not records.drawn_organs or not drawn.isdisjoint(VESSELS)
    for patient in people:
        patient.flags += _of_contrast(patient.contrast, vessels)
        patient.flags += _of_organs(patient.volumes, missing, records.drawn_organs)
        if patient.code in records.negative:
            patient.flags.append(Flag("nodes", ALL_NEGATIVE))
        value = similarity(patient.registration)
        if value is not None and value < MIN_OF_MEDIAN * median(known):
            patient.flags.append(
                Flag(
                    "registration",
                    f"registration: the phases are less similar ({value:.2f}) than the median of this "
                    f"center ({median(known):.2f}). Check: another patient's image, upside down, or "
                    "a failed registration?",
                )
            )
    notes += _take_common(people)
    return sorted(people, key=lambda p: (-len(p.flags), p.code)), notes


def _patient(code, records):
    registration = records.registration.get(code, {})
    # Where one phase is used for both there is nothing to compare.
    alone = bool(registration.get("substituted")) or not registration
    intake, reason = records.intake.get(code, {}), records.reasons.get(code, "")
    masks = records.masks.get(code, {})
    lost = [
        Flag(role, f"{role.replace('_', ' ')}: {text}")
        for role, record in masks.items()
        for text in notices.losses(record)
    ]
    changes = {phase: notices.of_image(record) for phase, record in intake.items()}
    changes |= {role: notices.of_mask(record) for role, record in masks.items()}
    return Patient(
        code,
        intake,
        registration,
        {} if alone else records.contrast.get(code, {}),
        reason,
        records.volumes.get(code),
        [*flags(intake, registration, reason), *lost],
        {what: sentences for what, sentences in changes.items() if sentences},
    )


def _missing(people, records):
    """(structures whose absence is a patient's flag, notes on those that nearly nobody shows)."""
    labelled = [p.volumes for p in people if p.volumes is not None]
    flagged, notes = [], []
    vessels = [name for name in plausible.limits()["needed"] if name in (records.known or VESSELS)]
    for name in [*vessels, records.organ]:
        absent = sum(name not in volumes for volumes in labelled)
        if records.drawn_organs and absent == len(labelled):
            if labelled:
                notes.append(
                    f"{_named(name).capitalize()}: not drawn in any patient of this center."
                )
        elif not _is_common(absent, len(labelled)):
            flagged.append(name)
        elif records.drawn_organs:
            notes.append(
                f"{_named(name).capitalize()}: not drawn in {absent} of {len(labelled)} patients."
            )
        else:
            notes.append(
                f"{_named(name).capitalize()}: not found in {absent} of {len(labelled)} patients. The "
                "organ network has not learned this structure, for example because its training was "
                "short."
            )
    return flagged, notes


def _is_common(count, of):
    return of >= MIN_PATIENTS and count >= COMMON * of


def _take_common(people):
    """Remove flags that nearly every patient carries; sentences that report them for the center."""
    count = Counter(flag for p in people for flag in set(p.flags))
    common = [f for f, n in count.items() if f.about != "reason" and _is_common(n, len(people))]
    for patient in people:
        patient.flags = [flag for flag in patient.flags if flag not in common]
    return [f"{flag.text} ({count[flag]} of {len(people)} patients)." for flag in common]


def _of_contrast(contrast, vessels):
    """Flags of the phases; `vessels`: whether this center's labels should show vessels at all."""
    listed = [Flag("phases", f"phases: {text}") for text in contrast.get("warnings", [])]
    if contrast.get("unchecked") and vessels:
        listed.append(Flag("phases", f"phases: could not be checked, {contrast['unchecked']}"))
    return listed


def _of_organs(volumes, needed, drawn):
    """Flags for missing structures and for volumes that no adult has."""
    if volumes is None:
        return []
    absent = [_named(name) for name in needed if name not in volumes]
    listed = [f"organs: no {' and no '.join(absent)} labelled"] if absent else []
    fix = "look at the mask, and at `label_system`" if drawn else "look at the labels"
    for name, ml, minimum, maximum in plausible.implausible(volumes):
        listed.append(
            f"organs: {_named(name)} of {ml:.1f} ml, an adult's has {minimum} to {maximum}: {fix}"
        )
    return [Flag("organs", text) for text in listed]


def _named(structure):
    return vocabulary.name("structures", structure).lower()


def similarity(record):
    """Similarity of the registered phases: 0 by chance, 1 the same structures; None if unknown."""
    known = record.get("similarity")
    if not known or record.get("failed") or record.get("substituted"):
        return None
    return (known["after"] - known["chance"]) / max(1e-6, 1 - known["chance"])


def record(people, notes):
    """What the center's report takes over from this page, for JSON."""
    return {
        "patients": len(people),
        "flagged": sum(bool(p.flags) for p in people),
        "notes": notes,
        "flags": {p.code: [asdict(flag) for flag in p.flags] for p in people if p.flags},
        "contrast": {p.code: p.contrast for p in people if p.contrast},
        "changes": {p.code: p.changes for p in people if p.changes},
    }
