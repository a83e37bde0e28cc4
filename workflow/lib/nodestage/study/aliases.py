"""Settings that have a new name: the old one is still read in this release, with a warning.

The only module with old names. An entry is removed in the release after the one in which the
setting was renamed (CHANGELOG.md).
"""

from collections.abc import Mapping
from typing import Any

from nodestage.core.errors import InputError

# {dotted name: new last part}; since version 0.2
RENAMED = {
    "lymph_nodes.least_share": "min_attention_share",
    "registration.least_overlap": "min_overlap",
    "registration.least_likeness": "min_similarity",
    "registration.most_folded": "max_folded",
    "registration.most_displacement_mm": "max_displacement_mm",
    "simulator.nodes.least_mm3": "min_volume_mm3",
    "simulator.nodes.most_mm3": "max_volume_mm3",
}


def check(config: Mapping[str, Any]) -> None:
    """Raise `InputError` where one file sets the old and the new name of a setting."""
    twice = [
        f"{old} and {new}"
        for old, new in RENAMED.items()
        if {new, _last(old)} <= set(_section(config, old))
    ]
    if twice:
        raise InputError(
            f"The config sets the old and the new name of a setting: {'; '.join(twice)}. "
            "Keep the new name alone."
        )


def rename(config: dict[str, Any]) -> list[str]:
    """Give every setting its new name, in place; a sentence for each that had its old one.

    In a config that was merged with the defaults, the old name is a user's and replaces the default
    that the new name has. `check` is for each file before that.
    """
    warnings = []
    for old, new in RENAMED.items():
        section = _section(config, old)
        if _last(old) in section:
            section[new] = section.pop(_last(old))
            warnings.append(
                f"The setting `{old}` is now called `{new}`. The old name is read in this release alone."
            )
    return warnings


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _section(config: Any, name: str) -> Any:
    """The part of a config that holds a setting; empty where it isn't there."""
    for key in name.split(".")[:-1]:
        config = config.get(key) if isinstance(config, Mapping) else None
    return config if isinstance(config, Mapping) else {}
