"""What the config says of the masks of a center."""

from nodestage.cohort.sheet import MASKS


def mask_phase(settings, role):
    """The phase that a center's masks were drawn on: one for all, or one a mask column."""
    phase = settings.get("mask_phase") or "venous"
    return phase.get(role, "venous") if isinstance(phase, dict) else phase


def label_system(settings, role):
    """A center's class ids for one mask column; None where they are ours.

    `label_system` is either a mapping for organs alone, or one mapping a mask column.
    """
    system = settings.get("label_system") or {}
    if set(system) & set(MASKS):
        return system.get(role) or None
    return (system or None) if role == "organs" else None
