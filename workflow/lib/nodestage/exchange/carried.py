"""Which files of the repository a packet carries: those of nodestage, and nothing that lies beside them.

What git tracks is nodestage's. Where git can't be asked (a packet that was unpacked, a download
without history), a list decides instead: the kinds of files that each folder has, and `config/`'s
by their names. Links are never followed.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

CODE = (
    "Makefile",
    "Dockerfile",
    ".dockerignore",
    "apptainer.def",
    "pyproject.toml",
    "constraints.txt",
    "LICENSE",
    "CITATION.cff",
    "README.md",
    "config",
    "docs",
    "envs",
    "profiles",
    "workflow",
)
CONFIG = (
    "README.md",
    *(
        f"{n}.yaml"
        for n in "anatomy config gastric gastric_anatomy larger paper realistic simulator".split()
    ),
)
KINDS = {
    "docs": (".md", ".png", ".svg"),
    "envs": (".yaml", ".sh"),
    "profiles": (".yaml",),
    "workflow": (".py", ".smk", ".yaml", ".rst", ".html", ".css", ".js"),
}


@dataclass(frozen=True)
class Carried:
    """Files below a repository, as paths relative to it.

    Attributes
    ----------
    files : those that a packet takes
    left : those within its folders that stay
    changed : those of `files` that differ from the last commit
    """

    files: list[str]
    left: list[str]
    changed: list[str]


def carried(repository: Path) -> Carried:
    """What a packet takes of a repository."""
    present, links = _present(repository)
    tracked = _git(repository, "ls-files", "-z")
    if "workflow/Snakefile" not in tracked:  # no git, no history, or that of a folder above
        taken, changed = list(filter(_is_listed, present)), set()
    else:
        taken = [name for name in present if name in tracked]
        changed = _git(repository, "diff", "--name-only", "--relative", "-z", "HEAD")
    left = sorted([*links, *set(present).difference(taken)])
    return Carried(taken, left, sorted(changed.intersection(taken)))


def _present(repository):
    """(ordinary files, links) within the folders of `CODE`; what Python and editors leave behind is neither."""
    files: list[str] = []
    links: list[str] = []
    for top in CODE:
        if (repository / top).is_symlink():
            links.append(top)
            continue
        if (repository / top).is_file():
            files.append(top)
        for folder, folders, names in os.walk(repository / top):
            entries = [Path(folder, name) for name in [*names, *folders]]
            folders[:] = [n for n in folders if n != "__pycache__" and not n.endswith(".egg-info")]
            for path in entries:
                name = path.relative_to(repository).as_posix()
                if path.is_symlink():
                    links.append(name)
                elif path.is_file() and not name.endswith(".pyc"):
                    files.append(name)
    return sorted(files), links


def _git(repository, *command):
    """Names that git lists of the repository's folders; none where it can't be asked."""
    try:
        done = subprocess.run(
            ["git", "-C", str(repository), *command, "--", *CODE], capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return set()
    return {os.fsdecode(name) for name in done.stdout.split(b"\0") if name}


def _is_listed(name):
    top, _, rest = name.partition("/")
    if not rest:
        return True
    if top == "config":
        return rest in CONFIG
    hidden = any(part.startswith(".") for part in Path(name).parts)
    return name == "workflow/Snakefile" or (not hidden and name.endswith(KINDS.get(top, ())))
