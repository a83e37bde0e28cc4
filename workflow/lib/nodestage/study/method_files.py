"""Files of methods that a user added, checked without running them."""

import ast
import importlib.util
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
        text = path.read_bytes()
        tree = ast.parse(text, filename=path.name)
        compile(text, path.name, "exec", dont_inherit=True)  # `return` outside a function parses
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise InputError(
            f"{what}{line}: {error.msg}. Correct it; python -m py_compile shows it too."
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{what} is not Python text ({type(error).__name__}).") from error
    if CLASS not in _names(tree):
        raise InputError(
            f"{what} has no class {CLASS!r}. Rename the class of the method (docs/own_method.md)."
        )
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == CLASS and not node.bases:
            missing = [part for part in ("fit", "predict") if part not in _names(node)]
            if missing:
                raise InputError(
                    f"{what}, line {node.lineno}: its class {CLASS} has no {' and no '.join(missing)}. Add it "
                    "(docs/own_method.md)."
                )
        for module in _imported(node):
            if module.startswith("."):
                raise InputError(
                    f"{what}, line {node.lineno}: it imports from beside itself, but it is no package. Write all into one "
                    "file."
                )
            if importlib.util.find_spec(module) is None:
                raise InputError(
                    f"{what}, line {node.lineno}: it imports {module!r}, which isn't installed here. Install it, or correct "
                    "the name."
                )


def _imported(node: ast.stmt) -> list[str]:
    """Top packages that a statement imports, "." for the file's own folder; imports within `try` may fail."""
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return ["." if node.level else (node.module or "").split(".")[0]]
    return []


def _names(tree: ast.AST) -> set[str]:
    """Names that a module or class binds, imports and assignments included."""
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
