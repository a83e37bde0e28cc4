"""All packages that scoring needs, as wheels, for a hospital without internet and without compiler.

They have the versions that are installed here, so the hospital runs what was run here, on the same
minor version of Python and on Linux with a C library at least as new.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nodestage.core import files
from nodestage.core.errors import InputError

FOLDER = "wheels"
DIGESTS = "SHA256SUMS"
# What installs the others, and what builds nodestage itself.
TOOLS = ("pip", "uv", "setuptools")
# Has no wheel, and its build needs the numpy that is already there.
BUILT = "pyradiomics"


def pins(package: str = "nodestage", extras: Sequence[str] = ("radiomics",)) -> dict[str, str]:
    """{package: version} of all installed packages that a package needs, without itself.

    Raises
    ------
    InputError where one of them is not installed
    """
    versions: dict[str, str] = {}
    # A package may be asked for plainly and, by another one, with an extra that brings more.
    seen: set[tuple[str, tuple[str, ...]]] = set()
    waiting = [(package, tuple(extras)), *((tool, ()) for tool in TOOLS)]
    while waiting:
        name, wanted = waiting.pop()
        if (canonicalize_name(name), wanted) in seen:
            continue
        seen.add((canonicalize_name(name), wanted))
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError as error:
            raise InputError(
                f"The package {name} is not installed here, so it can't go into the packet. Set up "
                "again: delete .venv and run `make packet` once more."
            ) from error
        versions[canonicalize_name(name)] = distribution.version
        for requirement in map(Requirement, distribution.requires or ()):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": e}) for e in ("", *wanted)):
                waiting.append((requirement.name, tuple(sorted(requirement.extras))))
    del versions[canonicalize_name(package)]
    return dict(sorted(versions.items()))


def collect(folder: Path) -> str:
    """Write a wheel of each package into a new folder; a line on what it holds.

    Raises
    ------
    InputError where a package can't be downloaded or built
    """
    folder.mkdir(parents=True)
    versions = pins()
    built = {BUILT: versions.pop(BUILT)} if BUILT in versions else {}
    for some, options in ((versions, ()), (built, ("--no-build-isolation",))):
        if some:
            _wheels(folder, some, options)
    wheels = sorted(folder.glob("*.whl"))
    lines = [f"{files.digest(path)}  {path.name}\n" for path in wheels]
    files.write_text(folder / DIGESTS, "".join(lines))
    size = sum(path.stat().st_size for path in wheels) / 1e6
    version = ".".join(map(str, sys.version_info[:2]))
    return f"In {FOLDER}/: {len(wheels)} packages for Python {version}, {size:,.0f} MB."


def _wheels(folder, versions, options):
    with tempfile.TemporaryDirectory() as temporary:
        listed = Path(temporary, "requirements.txt")
        files.write_text(listed, "".join(f"{name}=={v}\n" for name, v in versions.items()))
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *options]
        command += ["--wheel-dir", str(folder), "--requirement", str(listed)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        last = " ".join(done.stdout.split()[-60:])
        raise InputError(
            f"A package can't be had as a wheel, so the packet was not written. pip says: {last}"
        )
