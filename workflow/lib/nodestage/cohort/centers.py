"""How a center's masks were drawn, from the config."""

from nodestage.cohort.faults import IntakeError
from nodestage.cohort.sheet import MASKS
from nodestage.core import totalsegmentator
from nodestage.core.errors import InputError


def mask_phase(settings, role):
    """The phase that a center's masks were drawn on: one for all, or one per mask column."""
    phase = settings.get("mask_phase") or "venous"
    return phase.get(role, "venous") if isinstance(phase, dict) else phase


def label_system(settings, role, organs=None):
    """A center's class ids for one mask column; None where they are ours.

    `label_system` is either a mapping for organs alone, or one mapping per mask column; for organs it
    may be the word `totalsegmentator` or `totalsegmentator_v1`, of which the study's structures (`organs`;
    None: all) are taken.
    """
    system = settings.get("label_system") or {}
    if isinstance(system, dict) and role == "organs":
        system = system.get("organs", system)
    if isinstance(system, str):
        return totalsegmentator.label_system(system, organs) if role == "organs" else None
    if set(system) & set(MASKS):
        return system.get(role) or None
    return (system or None) if role == "organs" else None


def segments(settings):
    """A center's names of segments, see `drawings.names`; None where they are ours."""
    return settings.get("segments") or None


def annotated(settings, structures):
    """Our names of the structures that a center's organ masks show.

    structures : all names, where the config doesn't restrict them
    """
    system = settings.get("label_system")
    if isinstance(system, dict):
        system = system.get("organs")
    made = None
    if isinstance(system, str):
        made = [name for name in totalsegmentator.structures() if name in structures]
    return settings.get("annotated") or made or list(structures)


def check_label_systems(centers, organs):
    """Raise one `IntakeError` with every fault of every center's `label_system` and `segments`.

    Parameters
    ----------
    centers : {name: settings}, as in the config
    organs : {class: our id}, the `labels` of config/anatomy.yaml
    """
    from nodestage.cohort.drawings import names
    from nodestage.cohort.labels import translation
    from nodestage.cohort.masks import KNOWN

    faults = []
    for center, settings in centers.items():
        for role in MASKS:
            try:
                translation(label_system(settings or {}, role, organs), KNOWN.get(role, organs))
            except InputError as error:
                faults.append(f"center {center}, {role}: {error}")
        faults += [
            f"center {center}, {fault}" for fault in names.check(segments(settings or {}), organs)
        ]
    if faults:
        raise IntakeError("\n".join(faults))
