"""A method's settings: the defaults, updated by those in the config."""

from functools import cache
from pathlib import Path

import yaml

from nodestage.core.errors import InputError


def over(defaults, settings, where=""):
    """`defaults` updated by `settings`, branch by branch; an unknown key is an error."""
    unknown = sorted(set(settings) - set(defaults))
    if unknown:
        raise InputError(
            f"method setting {where}{unknown[0]} is unknown; known are {', '.join(sorted(defaults))}."
        )
    merged = dict(defaults)
    for key, value in settings.items():
        nested = isinstance(defaults[key], dict) and isinstance(value, dict)
        merged[key] = over(defaults[key], value, f"{where}{key}.") if nested else value
    return merged


@cache
def _read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def network(settings):
    """Settings of a tumor network; see defaults.yaml."""
    merged = over(_read(Path(__file__).with_name("defaults.yaml")), settings)
    if merged["pretrained"] in (None, "none"):
        merged["pretrained"] = {"path": "none", "sha256": ""}
    return merged
