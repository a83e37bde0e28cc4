"""A stand-in for conda: an environment is a venv that sees nothing but the packages it asked for.

`install(folder)` puts `conda` into `folder/bin`, for a PATH. `conda env create` reads the file as
conda would, refuses what conda or a careful reader would refuse (see `faults`), and links the
packages, with what they need in turn, from the environment of the tests. Nothing is solved or
downloaded: a pin is granted where the tests have that very version. In an environment, `pip install`
does the same for one package, so that a post-deploy script runs.

`created(folder)` tells the environments that were made, `ran(folder)` which interpreter ran what.
"""

import itertools
import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

CHANNEL = ("python", "pip", "setuptools", "c-compiler")  # what conda itself is asked for
ACTIVATE = """\
case "$1" in /*) CONDA_PREFIX="$1" ;; *) CONDA_PREFIX="{folder}/envs/$1" ;; esac
export CONDA_PREFIX PATH="$CONDA_PREFIX/bin:$PATH"
"""
# Written by the interpreter itself when it ends: where it lives, and from where it took things.
RECORDER = """\
import atexit, json, os, sys
def record():
    origins = {name: module.__file__ for name, module in list(sys.modules.items())
               if "." not in name and getattr(module, "__file__", None)}
    line = {"prefix": sys.prefix, "script": os.path.basename(sys.argv[0]), "origins": origins}
    with open(RECORDS, "a") as file:
        file.write(json.dumps(line) + "\\n")
atexit.register(record)
"""


def install(folder):
    """Make the command; give the environment in which it is found, and Python is as conda has it."""
    (folder / "bin").mkdir(parents=True)
    command(folder / "bin/conda", "conda", folder)
    (folder / "bin/activate").write_text(ACTIVATE.format(folder=folder))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return kept | {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def created(folder):
    """[{prefix, text}] of the environments that were made, `text` being the file they came from."""
    return lines(folder / "created.jsonl")


def ran(folder):
    """[{prefix, script, origins}] of every Python that ended, `origins` the files of its modules."""
    return lines(folder / "ran.jsonl")


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def command(path, *arguments):
    words = " ".join(f'"{word}"' for word in (sys.executable, __file__, *arguments))
    path.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    path.chmod(0o755)


def conda(folder, arguments):
    if arguments == ["info", "--json"]:
        print(json.dumps({"conda_prefix": folder, "platform": "linux-64"}))
    elif arguments == ["--version"]:
        print("conda 25.3.1")
    elif arguments == ["config", "--get", "channel_priority", "--json"]:
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif arguments[:2] == ["env", "create"]:
        given = dict(itertools.pairwise(arguments))
        create(Path(folder), given["--file"], given.get("--prefix"))
    elif arguments[0] != "clean":
        sys.exit(f"conda (stand-in): no such command: {' '.join(arguments)}")


def create(folder, file, prefix=None):
    """Make the environment at `prefix`, or under the name that the file gives it."""
    text = Path(file).read_text(encoding="utf-8")
    spec = yaml.safe_load(text)
    found = faults(spec)
    if found:
        sys.exit(f"conda (stand-in): {file}:\n" + "\n".join(found))
    prefix = prefix or folder / "envs" / spec["name"]
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    recorder = f"RECORDS = {str(folder / 'ran.jsonl')!r}\n{RECORDER}"
    (packages(prefix) / "stand_in_recorder.py").write_text(recorder)
    (packages(prefix) / "stand_in_recorder.pth").write_text("import stand_in_recorder\n")
    command(Path(prefix, "bin/pip"), "pip", prefix)
    link(pip_section(spec), prefix)
    with (folder / "created.jsonl").open("a") as record:
        record.write(json.dumps({"prefix": str(prefix), "text": text}) + "\n")


def faults(spec):
    """What is wrong with an environment's file, one sentence each."""
    missing = {"channels", "dependencies"} - set(spec or {})
    if missing:
        return [f"no {word}" for word in sorted(missing)]
    found = []
    if "defaults" in spec["channels"] or "nodefaults" not in spec["channels"]:
        found.append("the user's own default channels would mix in: say nodefaults")
    if spec["channels"][0] != "conda-forge":
        found.append("conda-forge must come first")
    for word in spec["dependencies"]:
        if isinstance(word, dict):
            continue
        name, _, version = word.partition("=")
        if name not in CHANNEL:
            found.append(f"PackagesNotFoundError: {name}")
        if not version:
            found.append(f"{name} has no pin")
        if name == "python" and not f"{sys.version.split()[0]}.".startswith(f"{version}."):
            found.append(f"{word} is not the tests' Python")
    return found + [fault for line in pip_section(spec) if (fault := pip_fault(line))]


def pip_section(spec):
    parts = [word["pip"] for word in spec["dependencies"] if isinstance(word, dict)]
    return [line for part in parts for line in part]


def pip_fault(line):
    """What is wrong with one line of a requirement file."""
    try:
        wanted = Requirement(line)
    except InvalidRequirement:
        # An option too: a requirement file takes few of pip's, and here none is needed.
        return f"Invalid requirement: {line}"
    if not re.fullmatch(r"==[\w.]+", str(wanted.specifier)):
        return f"{wanted.name} has no pin"
    try:
        version = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return f"No matching distribution found for {line}"
    return None if version in wanted.specifier else f"{line}, but the tests run with {version}"


def needed(names):
    """Names of packages and of all that they need in turn."""
    found, waiting = set(), list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found.add(name)
            needs = map(Requirement, metadata.requires(name) or [])
            waiting += [n.name for n in needs if not n.marker or n.marker.evaluate({"extra": ""})]
    return found


def packages(prefix):
    major, minor = sys.version_info[:2]
    return Path(prefix, "lib", f"python{major}.{minor}", "site-packages")


def link(requirements, prefix):
    """Lay the packages, and the commands that they bring, into an environment."""
    for name in needed(Requirement(line).name for line in requirements):
        package = metadata.distribution(name)
        for top in {file.parts[0] for file in package.files} - {"..", "__pycache__"}:
            if not (packages(prefix) / top).exists():
                (packages(prefix) / top).symlink_to(package.locate_file(top))
        for entry in package.entry_points.select(group="console_scripts"):
            call = f"from {entry.module} import {entry.attr} as main; sys.exit(main())"
            path = Path(prefix, "bin", entry.name)
            path.write_text(f"#!{prefix}/bin/python\nimport sys; {call}\n")
            path.chmod(0o755)


def pip(prefix, arguments):
    if arguments[0] != "install" or arguments[1:-1] not in ([], ["--no-build-isolation"]):
        sys.exit(f"pip (stand-in): no such command: {' '.join(arguments)}")
    fault = pip_fault(arguments[-1])
    if fault:
        sys.exit(f"pip (stand-in): {fault}")
    link(arguments[-1:], prefix)


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2], sys.argv[3:])
