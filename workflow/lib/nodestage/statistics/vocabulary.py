"""The reader's words for methods, metrics, bases and layers (`vocabulary.yaml`), and their order."""

from functools import cache
from pathlib import Path

import yaml


@cache
def terms():
    """Names and order of methods, metrics, bases and layers (vocabulary.yaml)."""
    return yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


def name(kind, key):
    """The reader's name of a method, metric, basis or layer; the key itself if none is listed."""
    return terms()[kind].get(key, str(key).replace("_", " ") if kind == "metrics" else str(key))


def inside(kind, key):
    """A name as it stands inside a sentence; an abbreviation keeps its capitals."""
    text = name(kind, key)
    return text if text.isupper() else text[0].lower() + text[1:]


def ordered(kind, keys):
    """`keys` without repeats, in the order of vocabulary.yaml; unknown ones after them, as they came."""
    keys = list(dict.fromkeys(keys))
    known = [key for key in terms()[kind] if key in keys]
    return known + [key for key in keys if key not in known]
