"""A method's settings: the defaults, with what the config says laid over them."""

from functools import cache
from pathlib import Path

import yaml

from nodestage.core.errors import InputError


def over(defaults, given, where=""):
    """`given` laid over `defaults`, branch by branch; an unknown key is an error."""
    unknown = sorted(set(given) - set(defaults))
    if unknown:
        raise InputError(
            f"method setting {where}{unknown[0]} is unknown; known are {', '.join(sorted(defaults))}."
        )
    found = dict(defaults)
    for key, value in given.items():
        nested = isinstance(defaults[key], dict) and isinstance(value, dict)
        found[key] = over(defaults[key], value, f"{where}{key}.") if nested else value
    return found


@cache
def _read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def network(given):
    """Settings of a tumor network; see defaults.yaml."""
    found = over(_read(Path(__file__).with_name("defaults.yaml")), given)
    if found["pretrained"] in (None, "none"):
        found["pretrained"] = {"path": "none", "sha256": ""}
    return found
