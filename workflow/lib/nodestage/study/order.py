"""Settings in one order, independent of the order in a config file.

Snakemake compares a job's parameters as text, in which `{a: 1, b: 2}` and `{b: 2, a: 1}` differ.
"""

from collections.abc import Mapping
from typing import Any

# Sections whose keys are names chosen by the user, in an order that tables keep.
NAMED = ("centers", "methods")


def as_in_defaults(config: dict[str, Any], defaults: Mapping[str, Any]) -> None:
    """Put the keys of a config, at every depth, in the order of the default config; in place.

    Keys that the defaults lack come after the others: sorted, but for the names of `centers` and
    `methods`, which stay in the order in which they were written.

    >>> config = {"seed": 1, "b": {"y": 1, "x": 2}, "a": 0}
    >>> as_in_defaults(config, {"a": 0, "b": {}, "seed": 3})
    >>> config
    {'a': 0, 'b': {'x': 2, 'y': 1}, 'seed': 1}
    """
    _order(config, defaults, named=False)


def _order(settings: dict[str, Any], like: Any, named: bool) -> None:
    known = like if isinstance(like, Mapping) else {}
    others = [key for key in settings if key not in known]
    order = [
        *(key for key in known if key in settings),
        *(others if named else sorted(others, key=str)),
    ]
    for key in order:
        value = settings.pop(key)
        settings[key] = value
        for part in value if isinstance(value, list) else (value,):
            if isinstance(part, dict):
                _order(part, known.get(key), named=key in NAMED)
