"""Whether a file is still as it was written: its SHA-256, kept in a hidden file beside it.

A table that was cut at the end of a line is a shorter table, and reads as one. `add` writes the digest
of a finished file to `.<name>.sha256`; `check` compares. A file without one, as of a copy that left
hidden files out, passes; whether it has all patients is checked separately
(`tables.check_patients`).
"""

import hashlib
from pathlib import Path

from nodestage.core.errors import InputError


def of(path: str | Path) -> Path:
    """Where the digest of the file at `path` lies."""
    path = Path(path)
    return path.with_name(f".{path.name}.sha256")


def add(path: str | Path) -> None:
    """Keep the digest of a finished file."""
    of(path).write_text(f"{digest(path)}\n", encoding="ascii")


def remove(path: str | Path) -> None:
    """Remove the digest of a file that is about to be replaced."""
    of(path).unlink(missing_ok=True)


def check(path: str | Path) -> None:
    """Raise `InputError` where the file at `path` is not what was written there."""
    try:
        written = of(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return
    if written != digest(path):
        raise changed(path, "is not as it was written (its SHA-256 differs)")


def changed(path: str | Path, what: str) -> InputError:
    """The error for a file of this workflow that is damaged."""
    return InputError(
        f"{path} {what}: it was cut short or changed after it was written. Delete it and run again: "
        "the workflow writes it anew."
    )


def digest(path: str | Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
