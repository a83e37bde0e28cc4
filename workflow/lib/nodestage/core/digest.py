"""A digest of a script and of the library code that it uses.

Snakemake reruns a job when its script changes, but does not see a change in an
imported module. The digest goes into a rule's `params`, so that it does.
Comments, docstrings and formatting do not count: only what can change a result.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

PACKAGE = "nodestage"
LIBRARY = Path(__file__).parents[1]
DATA = (".yaml", ".html", ".css", ".js")


@cache
def code_digest(*files: str | Path) -> str:
    """Hexadecimal digest of scripts or modules and of all `nodestage` modules that they reach."""
    paths = [Path(file) for file in files]
    digest = hashlib.sha256()
    for path in [*paths, *sorted(reached(*paths) - set(paths))]:
        digest.update(path.name.encode())
        digest.update(_module(path).essence if path.suffix == ".py" else path.read_bytes())
    return digest.hexdigest()[:16]


def reached(*files: str | Path) -> set[Path]:
    """Files of the library that `files` import, directly or through each other."""
    modules: set[Path] = set()
    waiting = [Path(file) for file in files]
    while waiting:
        for path in _imports(waiting.pop()):
            if path not in modules:
                modules.add(path)
                waiting.append(path)
    # Data files of a package (settings, templates) count for every importer of its code. The
    # `__init__` of an outer package, without any code, reads no data.
    for folder in {path.parent for path in modules if _runs(path)} - {LIBRARY}:
        modules.update(_data(folder))
    return modules


def _runs(path):
    """Whether a file may read data: any module, and an `__init__` that defines or calls something."""
    return path.name != "__init__.py" or _module(path).runs


def _data(folder):
    """Data files of one package: beside its modules and in folders that are not packages."""
    for path in folder.iterdir():
        if path.is_dir() and not (path / "__init__.py").exists():
            yield from _data(path)
        elif path.suffix in DATA:
            yield path


@cache
def _imports(path):
    """Files of the library that one file names in its import statements, anywhere in it."""
    return frozenset(
        file
        for name in _module(path).names
        if name == PACKAGE or name.startswith(f"{PACKAGE}.")
        for file in _files(name)
    )


def _absolute(path, node):
    if not node.level:
        return node.module or ""
    package = path.relative_to(LIBRARY.parent).parts[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def _files(name):
    """The file of a dotted name, and of the packages around it; nothing for a mere attribute."""
    parts = name.split(".")[1:]
    for depth in range(len(parts) + 1):
        path = LIBRARY.joinpath(*parts[:depth])
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if file.is_file():
                yield file


class _Module(NamedTuple):
    """What one file's syntax tree shows.

    Attributes
    ----------
    names : dotted names in its import statements
    runs : whether an `__init__` defines or calls something; False of other modules
    essence : the code without comments, docstrings and positions
    """

    names: frozenset[str]
    runs: bool
    essence: bytes


@cache
def _module(path):
    """Read once per file: parsing the library is a large part of what planning a small study costs."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    code = (ast.FunctionDef, ast.ClassDef, ast.Call)
    runs = path.name == "__init__.py" and any(isinstance(n, code) for n in ast.walk(tree))
    names = set()
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(path, node)
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and _documented(node):
            node.body = node.body[1:] or [ast.Pass()]
    return _Module(frozenset(names), runs, ast.dump(tree).encode())


def _statements(node):
    """The node and every statement in it, at any depth; expressions hold none."""
    yield node
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        inner = getattr(node, name, None)
        for part in inner if isinstance(inner, list) else ():
            yield from _statements(part)


def _documented(node):
    """Whether a module, class or function begins with a docstring."""
    first = node.body[0] if node.body else None
    return (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
