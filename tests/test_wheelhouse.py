"""A packet with all packages, for a hospital without internet and compiler."""

import shutil
import subprocess
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from needed import PYRADIOMICS

from nodestage.core.errors import InputError
from nodestage.exchange import packet, wheelhouse

ROOT = Path(__file__).parents[1]
HAS_PYRADIOMICS = find_spec("radiomics") is not None


def test_all_that_scoring_needs_is_pinned_as_installed_and_nothing_of_the_tests():
    pins = wheelhouse.pins()
    assert {"torch", "nnunetv2", "snakemake", "numpy", "uv", "pip"} <= set(pins)
    assert ("pyradiomics" in pins) == HAS_PYRADIOMICS
    assert {"nodestage", "pytest", "ruff", "monai", "mypy"} & set(pins) == set()
    assert all(metadata.version(name) == version for name, version in pins.items())


def test_what_an_extra_of_a_package_brings_comes_along_though_others_ask_for_it_plainly(
    monkeypatch,
):
    asks = {
        "study": ["plain", "asks"],
        "plain": ["both"],
        "asks": ["both[more]; python_version > '3'", "never; python_version < '3'"],
        "both": ["extra; extra == 'more'", "other; extra == 'other'"],
        "extra": [],
    }

    def distribution(name):
        return SimpleNamespace(version="1", requires=asks[name])

    monkeypatch.setattr(wheelhouse.metadata, "distribution", distribution)
    monkeypatch.setattr(wheelhouse, "TOOLS", ())
    assert set(wheelhouse.pins("study", ())) == {"plain", "asks", "both", "extra"}


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(wheelhouse, "TOOLS", ("no-such-package",))
    with pytest.raises(InputError, match="no-such-package is not installed here"):
        wheelhouse.pins()


class Pip:
    """Stands in for `pip wheel`: writes an empty wheel of each package that it is asked for."""

    def __init__(self, monkeypatch, code=0, said=""):
        self.calls, self.code, self.said = [], code, said
        monkeypatch.setattr(wheelhouse, "subprocess", self)
        self.PIPE, self.STDOUT = subprocess.PIPE, subprocess.STDOUT

    def run(self, command, **how):
        folder, listed = (
            Path(command[command.index(o) + 1]) for o in ("--wheel-dir", "--requirement")
        )
        lines = listed.read_text().splitlines()
        for line in lines:
            (folder / f"{line.replace('==', '-')}-py3-none-any.whl").touch()
        self.calls.append((lines, command))
        return SimpleNamespace(returncode=self.code, stdout=self.said)


@pytest.mark.skipif(not HAS_PYRADIOMICS, reason=PYRADIOMICS)
def test_pyradiomics_alone_is_built_with_the_numpy_that_is_there(monkeypatch, tmp_path):
    pip = Pip(monkeypatch)
    said = wheelhouse.collect(tmp_path / "wheels")
    (others, command), (built, of_built) = pip.calls
    assert "--no-build-isolation" in of_built and "--no-build-isolation" not in command
    assert [line.partition("==")[0] for line in built] == ["pyradiomics"]
    wheels = sorted(path.name for path in (tmp_path / "wheels").glob("*.whl"))
    listed = (tmp_path / "wheels" / wheelhouse.DIGESTS).read_text().splitlines()
    assert [line.split("  ")[1] for line in listed] == wheels and len(wheels) == len(others) + 1
    assert f"{len(wheels)} packages for Python 3" in said


def test_without_a_package_no_packet_is_written(monkeypatch, tmp_path, frozen):
    Pip(monkeypatch, code=1, said="ERROR: No matching distribution found for x")
    with pytest.raises(InputError, match=r"the packet was not written. pip says: .*matching"):
        packet.write(frozen, tmp_path / "packet", wheels=True)
    assert list(tmp_path.glob("*packet*")) == []


def test_a_packet_with_wheels_says_so_and_its_make_installs_from_them_alone(
    monkeypatch, tmp_path, frozen
):  # fmt: skip
    Pip(monkeypatch)
    lines = packet.write(frozen, tmp_path / "packet", wheels=True)
    assert lines[-1].startswith("In wheels/: ")
    text = (tmp_path / "packet/README.md").read_text(encoding="utf-8")
    assert "no internet, no compiler" in text and "from `wheels/`" in text
    assert _installs(tmp_path / "packet/nodestage") == 2
    shutil.rmtree(tmp_path / "packet/wheels")
    assert _installs(tmp_path / "packet/nodestage") == 0
    packet.write(frozen, tmp_path / "without")
    assert "C compiler" in (tmp_path / "without/README.md").read_text(encoding="utf-8")
    assert not (tmp_path / "without/wheels").exists()


def _installs(folder):
    """How many commands of the set-up leave the index alone."""
    command = ["make", "--dry-run", "--always-make", ".venv/ready", "PYTHON=python3"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.count('--no-index --find-links "../wheels"')
