"""C15: a change of code reruns what uses it; a comment reruns nothing."""

import pytest

from nodestage import digest


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
    for cached in (digest.code_digest, digest._imports, digest._tree, digest._essence):
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
def test_C15_only_code_that_the_script_reaches_counts(library, file, text, changes):
    before = of(library)
    (library / file).write_text(text)
    assert (of(library) != before) is changes
