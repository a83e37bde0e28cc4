"""A change of code reruns what uses it; a comment reruns nothing."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

from nodestage.core import digest

WORKFLOW = Path(__file__).parents[1] / "workflow"


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A small library of two modules and a script that uses one through the other."""
    home = tmp_path / "nodestage"
    home.mkdir()
    (home / "__init__.py").write_text("")
    (home / "a.py").write_text("from nodestage import b\nx = b.y\n")
    (home / "b.py").write_text('"""Doc."""\ny = 1\n')
    (home / "c.py").write_text("z = 1\n")
    (tmp_path / "script.py").write_text("from nodestage import a\nprint(a.x)\n")
    monkeypatch.setattr(digest, "LIBRARY", home)
    return tmp_path


def of(library):
    for cached in (digest.code_digest, digest._imports, digest._module):
        cached.cache_clear()
    return digest.code_digest(library / "script.py")


@pytest.mark.parametrize(
    "file, text, changes",
    [
        ("nodestage/b.py", '"""Doc."""\ny = 2\n', True),
        ("nodestage/b.py", '"""Other words."""\n# why\ny = 1\n', False),
        ("nodestage/c.py", "z = 2\n", False),
        ("script.py", "from nodestage import a\nprint(a.x, 1)\n", True),
    ],
)
def test_only_code_that_the_script_reaches_counts(library, file, text, changes):
    before = of(library)
    (library / file).write_text(text)
    assert (of(library) != before) is changes


def test_methods_are_imported_only_by_scripts_whose_rules_name_their_files():
    """The registry imports a method by name, which no import statement shows to the digest."""
    for rules in (WORKFLOW / "rules").glob("*.smk"):
        for script in re.findall(r'code\("(\w+\.py)"\)', rules.read_text()):
            reached = digest.reached(WORKFLOW / "scripts" / script)
            assert digest.LIBRARY / "methods" / "registry.py" not in reached, (
                f"{script} in {rules.name}"
            )


@pytest.mark.parametrize("package", ["cohort", "metrics"])
def test_code_names_the_module_and_not_the_package_that_loads_it_late(package):
    """What such a package loads at run time no import statement shows, so the digest can't see it."""
    late = import_module(f"nodestage.{package}")
    names = {f"nodestage.{package}", *(f"nodestage.{package}.{name}" for name in late.__all__)}
    for path in [*(WORKFLOW / "scripts").glob("*.py"), *digest.LIBRARY.rglob("*.py")]:
        said = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                said |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                said |= {f"{node.module}.{alias.name}" for alias in node.names}
        assert not said & names, path
