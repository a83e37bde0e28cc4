"""How a center's masks were drawn, from the config."""

from nodestage.cohort.sheet import MASKS


def mask_phase(settings, role):
    """The phase that a center's masks were drawn on: one for all, or one per mask column."""
    phase = settings.get("mask_phase") or "venous"
    return phase.get(role, "venous") if isinstance(phase, dict) else phase


def label_system(settings, role):
    """A center's class ids for one mask column; None where they are ours.

    `label_system` is either a mapping for organs alone, or one mapping per mask column.
    """
    system = settings.get("label_system") or {}
    if set(system) & set(MASKS):
        return system.get(role) or None
    return (system or None) if role == "organs" else None
