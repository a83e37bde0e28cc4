"""The words of tables and pages (`vocabulary.yaml`), and the order of methods, metrics and bases."""

from functools import cache
from pathlib import Path

import yaml


@cache
def terms():
    """The content of vocabulary.yaml."""
    return yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


def name(kind, key):
    """The reader's name of a method, metric, basis or layer; the key itself if none is listed."""
    return terms()[kind].get(key, str(key).replace("_", " ") if kind == "metrics" else str(key))


def inside(kind, key):
    """A name as it is written inside a sentence; an abbreviation keeps its capitals."""
    text = name(kind, key)
    return text if text.isupper() else text[0].lower() + text[1:]


def ordered(kind, keys):
    """`keys` without repeats, in the order of vocabulary.yaml; unknown ones after them, as they came."""
    keys = list(dict.fromkeys(keys))
    known = [key for key in terms()[kind] if key in keys]
    return known + [key for key in keys if key not in known]


def heads(part="all"):
    """{column: words} of the tables of one kind, a key of `heads` in vocabulary.yaml."""
    return terms()["heads"][part]


def paper_tables():
    """{file name: (number, title)} of the paper's tables, in order."""
    return {f"{name}.tsv": (t["number"], t["title"]) for name, t in terms()["tables"].items()}


def foot(table):
    """The note under one of the paper's tables (a file name); "" where it has none."""
    name = table.removesuffix(".tsv")
    note = terms()["tables"][name].get("note", "")
    return f"{note} {family()}" if name in ("table_6", "table_7") else note


def family():
    """Which tests Holm's adjustment covers."""
    return terms()["family"]
