"""Files of methods that a user added, checked without running them."""

import ast
from pathlib import Path
from typing import Any

from nodestage.core import files
from nodestage.core.errors import InputError

CLASS = "Method"


def check_method_files(methods: dict[str, Any], base: Path | str) -> None:
    """Raise one `InputError` with every fault of every method's file: absent, broken, without its class.

    Parameters
    ----------
    methods : {method: settings}, as in the config; those with `file` are looked at
    base : folder from which relative paths start
    """
    faults = []
    for name, settings in methods.items():
        path = (settings or {}).get("file")
        if path:
            try:
                _check(name, Path(base, path))
            except InputError as error:
                faults.append(str(error))
    if faults:
        raise InputError("\n".join(faults))


def _check(name: str, path: Path) -> None:
    what = f"methods.{name}: its file {path.name}"
    files.check_regular(path, what)
    try:
        tree = ast.parse(path.read_bytes(), filename=path.name)
    except SyntaxError as error:
        raise InputError(
            f"{what}, line {error.lineno}: {error.msg}. Correct it; python -m py_compile shows it too."
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{what} is not Python text ({type(error).__name__}).") from error
    if CLASS not in _names(tree):
        raise InputError(
            f"{what} has no class {CLASS!r}. Rename the class of the method (docs/own_method.md)."
        )


def _names(tree: ast.Module) -> set[str]:
    """Names that a module binds at its top, imports and assignments included."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
            if any(alias.name == "*" for alias in node.names):
                names.add(CLASS)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names
