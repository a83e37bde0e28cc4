"""TotalSegmentator's classes in our names: what a mask of its task `total` shows."""

from collections.abc import Container
from functools import cache
from pathlib import Path

import yaml


@cache
def _tables():
    text = Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def systems() -> list[str]:
    """Words that a center's `label_system` may be: one for each set of ids."""
    return list(_tables()["ids"])


def structures() -> list[str]:
    """Our names of the structures that it segments."""
    return list(_tables()["names"])


def label_system(
    system: str = "totalsegmentator", known: Container[str] | None = None
) -> dict[str, int | str]:
    """Its ids as a `label_system`: {our name: its id}, everything else ignored.

    Parameters
    ----------
    system : one of `systems()`
    known : names of the study's structures; others are left out. None: all are structures
    """
    ids = _tables()["ids"][system]
    ours = {
        ours: ids[theirs]
        for ours, theirs in _tables()["names"].items()
        if known is None or ours in known
    }
    return ours | {"ignore": "others"}


def names() -> dict[str, tuple[str, ...]]:
    """{our name: its names}."""
    return {ours: (theirs,) for ours, theirs in _tables()["names"].items()}
