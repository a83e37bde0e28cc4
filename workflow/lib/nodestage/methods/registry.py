"""The built-in methods, those of users' files, and what each declares.

A method is a file with a class `Method`. The built-in ones are in the folders beside this file and
declare, as literals in the class:

    family        methods of one family are fitted by one job per fold
    needs         what they read of a patient: "views", "radiomics", "nodes", "scores"; "stages" where
                  `fit` learns from pN
    of            the methods whose scores it reads, where it needs "scores"; the setting `of` in the
                  config names others
    threshold     False where the score, 0 or 1, is the call; True unless declared
    nonnegative   True where the score is a volume, whose threshold is never below 0
    explained     True where the gallery can show which pixels of a slice the score depends on

A user's file leaves these to the config (docs/own_method.md); the config's entry of a method replaces
what its class declares.

Declarations are read from the syntax tree: the workflow needs them each time it is read, and the
networks' modules would take seconds to import. Nothing here names a method, so that a change of
one is a change for its family alone.
"""

import ast
import importlib
import importlib.util
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

from nodestage.core.errors import InputError

HERE = Path(__file__).parent
KEYS = ("family", "needs", "of", "threshold", "nonnegative", "explained")


@dataclass(frozen=True)
class Declaration:
    """What is known of a method before it is imported; `file` is where its class is written."""

    name: str
    file: Path
    family: str
    needs: tuple[str, ...] = ()
    of: tuple[str, ...] = ()
    threshold: bool = True
    nonnegative: bool = False
    explained: bool = False


@cache
def built_in() -> dict[str, Declaration]:
    """{method: Declaration} of the built-in methods."""
    stated = {path: _stated(path) for path in sorted(HERE.glob("*/*.py"))}
    return {
        path.stem: Declaration(path.stem, path, **values)
        for path, values in stated.items()
        if values is not None
    }


def declared(name: str, entry: Mapping[str, Any]) -> Declaration:
    """What a method declares, updated by its entry in the config's `methods`."""
    if "file" in entry:
        declaration = Declaration(name, Path(entry["file"]), family=name)
    elif name in built_in():
        declaration = built_in()[name]
    else:
        raise InputError(
            f"methods.{name}: nodestage has no method of this name. Add `file` and `needs` "
            "(docs/own_method.md), or correct the name."
        )
    values = {key: entry[key] for key in KEYS if key in entry}
    if "needs" in values:
        values["needs"] = tuple(values["needs"])
    if "of" in (entry.get("settings") or {}):
        values["of"] = tuple(entry["settings"]["of"])
    return replace(declaration, **values)


def load(name: str, file: str | Path | None = None) -> type:
    """The class `Method` of a user's file, or of the built-in method of that name."""
    if file is not None:
        return from_file(name, file)
    module = ".".join(built_in()[name].file.with_suffix("").relative_to(HERE).parts)
    return importlib.import_module(f"{__package__}.{module}").Method


def classes(methods: Mapping[str, Mapping[str, Any]]) -> dict[str, type]:
    """{method: class} of some methods, each with its `file` where a user added it."""
    return {name: load(name, entry.get("file")) for name, entry in methods.items()}


def from_file(name: str, path: str | Path) -> type:
    """The class `Method` of a user's file.

    Raises
    ------
    InputError where the name can't be a file name, the file is missing, or it lacks the class
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise InputError(f"method name {name!r}: use small letters, digits and _, a letter first.")
    if not Path(path).is_file():
        raise InputError(
            f"method {name}: its file is missing; set its path in `methods.{name}.file`."
        )
    loader = SourceFileLoader(f"nodestage_method_{name}", str(path))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None  # this loader always has one
    module = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = module
    loader.exec_module(module)
    cls = getattr(module, "Method", object)
    missing = [part for part in ("fit", "predict") if not callable(getattr(cls, part, None))]
    if missing:
        raise InputError(f"method {name}: its file needs a class Method with {', '.join(missing)}.")
    return cls


def _stated(path: Path) -> dict[str, Any] | None:
    """The literals that the class `Method` of a file assigns to `KEYS`; None without that class."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == "Method":
            return {
                target.id: ast.literal_eval(line.value)
                for line in node.body
                if isinstance(line, ast.Assign)
                for target in line.targets
                if isinstance(target, ast.Name) and target.id in KEYS
            }
    return None
