"""A digest of a script and of the library code that it uses.

Snakemake reruns a job when its script changes, but does not see a change in an
imported module. The digest goes into a rule's `params`, so that it does.
Comments, docstrings and formatting do not count: only what can change a result.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

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
        digest.update(_essence(path).encode() if path.suffix == ".py" else path.read_bytes())
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
    # Data that a package carries (settings, templates) belongs to whoever imports its code. The
    # `__init__` of a package around another one, without code of its own, reads no data.
    for folder in {path.parent for path in modules if _runs(path)} - {LIBRARY}:
        modules.update(_data(folder))
    return modules


def _runs(path):
    """Whether a file may read data: any module, and an `__init__` that defines or calls something."""
    code = (ast.FunctionDef, ast.ClassDef, ast.Call)
    return path.name != "__init__.py" or any(isinstance(n, code) for n in ast.walk(_tree(path)))


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
    names = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(path, node)
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return frozenset(
        file
        for name in names
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


@cache
def _tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _essence(path):
    """The code as its syntax tree, without docstrings and positions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        ):
            first = body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = body[1:] or [ast.Pass()]
    return ast.dump(tree)
