"""YAML that a person writes, read strictly, with a sentence for every usual mistake."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from nodestage.core import files
from nodestage.core.errors import InputError

MAX_BYTES = 1_000_000
MAX_VALUES = 100_000  # once every alias is written out
PLAIN_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})", re.ASCII)
PLAIN_FLOAT = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?", re.ASCII)
WORDS = {"true": True, "false": False, "null": None, "~": None}


def read(path):
    """A config file as a dict.

    Raises
    ------
    InputError where the file isn't there, isn't text or YAML, holds no settings, names a key
    twice, or writes a number in a way that YAML reads as another
    """
    path = Path(path)
    if not path.exists():
        folder = path.parent
        what = (
            f"no {path.name} in the folder {folder}" if folder.is_dir() else f"no folder {folder}"
        )
        raise InputError(
            f"There is {what}. Correct STUDY, or begin a study: make study DIR={folder}"
        )
    settings = load(path)
    if settings is None:
        raise InputError(
            f"{path.name} is empty. It must name `samples` and `centers`: config/README.md."
        )
    if not isinstance(settings, dict):
        raise InputError(f"{path.name} holds no settings. Write lines of the form `key: value`.")
    return settings


def load(path):
    """What any YAML file from outside holds, read strictly; raises as `read` does."""
    path = Path(path)
    files.check_regular(path, path.name)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise InputError(f"{path.name} has {size / 1e6:.0f} MB, a config at most 1. Give a config.")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not UTF-8 text. Save it as UTF-8.") from error
    try:
        return yaml.load(text, Loader=_Strict)
    except yaml.YAMLError as error:
        raise InputError(_unreadable(path, text, error)) from error
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        # A tag or a date that YAML announces and can't build, such as 2026-99-99.
        raise InputError(
            f"{path.name} holds a value that YAML can't build ({type(error).__name__}: {error}). Put it in quotes."
        ) from error
    except RecursionError as error:
        raise InputError(
            f"{path.name} nests lists or settings hundreds deep. Write it as config/README.md shows."
        ) from error


class _Fault(yaml.YAMLError):
    """A fault whose message needs no more context."""


class _Strict(yaml.SafeLoader):
    """YAML as Snakemake reads it, but for what it would read in silence as something else."""

    def get_single_node(self):
        node = super().get_single_node()
        if node is not None:
            _check_size(node)
            self._check_keys(node, set())
        return node

    def _check_keys(self, node, seen):
        """Refuse a mapping with one key twice, before any value replaces another."""
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode) and re.search("[\ud800-\udfff]", node.value):
            raise _Fault(
                f"line {node.start_mark.line + 1}: half a character (\\ud800 to \\udfff). Remove it"
            )
        if isinstance(node, yaml.SequenceNode):
            for part in node.value:
                self._check_keys(part, seen)
        if isinstance(node, yaml.MappingNode):
            first = {}
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise _Fault(
                        f"line {key.start_mark.line + 1}: there is a list or mapping in place of a key. Write "
                        "`key: value`, with the key in quotes if it holds brackets"
                    )
                line = key.start_mark.line + 1
                name = self._name(key)
                if name in first:
                    raise _Fault(
                        f"lines {first[name]} and {line}: {key.value!r} is set twice. YAML would keep the "
                        "second in silence: remove one"
                    )
                first[name] = line
                self._check_keys(value, seen)

    def _name(self, key):
        """A key as it is compared: 1, +1 and "1" are one name, and so are yes and true."""
        if key.tag == "tag:yaml.org,2002:merge":
            return key.value
        return str(self.construct_object(key))


def keep_empty(config: dict[str, Any], over: Mapping[str, Any]) -> None:
    """Write `{}` into a merged config, in place, where `over` says so and Snakemake's merge left null.

    Its `update_config` keeps the null of a method that is off by default, so that `pn_ordinal: {}` would not switch
    it on.

    config : merged already; over : what was laid over it last
    """
    for key, value in over.items():
        if isinstance(value, Mapping):
            if not value and config.get(key) is None:
                config[key] = {}
            elif isinstance(config.get(key), dict):
                keep_empty(config[key], value)


def with_types(line: Mapping[str, Any]) -> dict[str, Any]:
    """What Snakemake read from `--config key={inner: 0.5}`, to be laid over a config once more, with types.

    Snakemake reads everything inside such a value as text, also numbers, true, false and null. The value
    itself has its type already.
    """
    return {key: value if isinstance(value, str) else _typed(value) for key, value in line.items()}


def _typed(value):
    """A value with numbers, booleans and nulls where it holds their text."""
    if isinstance(value, Mapping):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item) for item in value]
    if not isinstance(value, str):
        return value
    if value.lower() in WORDS:
        return WORDS[value.lower()]
    if PLAIN_NUMBER.fullmatch(value):
        return int(value)
    # A code such as 007 stays text.
    is_float = PLAIN_FLOAT.fullmatch(value) and not re.match("[-+]?0[0-9]", value)
    return float(value) if is_float else value


def _check_size(root):
    """Refuse aliases that contain themselves or multiply beyond any config."""
    sizes, open_nodes = {}, set()

    def size(node):
        if id(node) in open_nodes:
            raise _Fault(
                f"line {node.start_mark.line + 1}: an alias (*) is inside what it repeats. Write it out"
            )
        if id(node) not in sizes:
            open_nodes.add(id(node))
            parts = []
            if isinstance(node, yaml.SequenceNode):
                parts = node.value
            elif isinstance(node, yaml.MappingNode):
                parts = [part for pair in node.value for part in pair]
            sizes[id(node)] = 1 + sum(map(size, parts))
            open_nodes.discard(id(node))
        return sizes[id(node)]

    if size(root) > MAX_VALUES:
        raise _Fault(f"its aliases (*) repeat to over {MAX_VALUES} values. Write them out")


def _whole(loader, node):
    if not PLAIN_NUMBER.fullmatch(node.value):
        raise _Fault(_odd_number(node, "whole number"))
    return int(node.value)


def _decimal(loader, node):
    if not PLAIN_FLOAT.fullmatch(node.value) and node.value.lower().lstrip("+-") not in (
        ".inf",
        ".nan",
    ):
        raise _Fault(_odd_number(node, "number"))
    return yaml.SafeLoader.construct_yaml_float(loader, node)


def _odd_number(node, kind):
    text = node.value if len(node.value) <= 30 else f"{node.value[:20]}… ({len(node.value)} digits)"
    return (
        f"line {node.start_mark.line + 1}: {text} is not a plain {kind}, and YAML reads it as another value. "
        "Write the digits alone, or put it in quotes if it is a name"
    )


_Strict.add_constructor("tag:yaml.org,2002:int", _whole)
_Strict.add_constructor("tag:yaml.org,2002:float", _decimal)


def _unreadable(path, text, error):
    """Which line of a YAML file is wrong, and how to fix it."""
    if isinstance(error, _Fault):
        return f"{path.name}, {error}."
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return f"{path.name} can't be read ({error}). Correct it in a text editor."
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    problem = getattr(error, "problem", "") or "not YAML"
    if "\t" in line[: mark.column + 1]:
        hint = "It begins with a tab: indent with blanks"
    elif "mapping values" in problem:
        hint = 'A text that holds a colon needs quotes: title: "Nodes: a study"'
    else:
        hint = f"{problem.capitalize()}: are quotes, brackets and indents closed and even, here and above?"
    return f"{path.name}, line {mark.line + 1}: {line.strip()!r} can't be read. {hint}."
