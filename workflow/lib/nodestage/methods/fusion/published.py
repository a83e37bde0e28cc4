"""Published pretrained weights: which files, where they are stored, and which of them are present.

Imports no torch: this is needed each time the workflow is parsed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from nodestage.core import files

FOLDER = Path(__file__).parents[5] / "weights"
RECORD = "digests.json"
# In a method's settings, before the name of a file in `FOLDER`: settings do not
# hold the repository's path, so that nothing is trained again in a clone that was moved.
PREFIX = "published:"


@dataclass(frozen=True)
class Published:
    """One file of weights.

    Attributes
    ----------
    part : `slices` (networks on slices, 2D) or `crop` (ResNet3D), as in the section `weights`
    what : what it was trained on
    file, address, page : its name, where it is fetched from, and the page of its authors
    sha256 : digest as published, or None where its authors publish none
    terms : its licence, in words
    """

    part: str
    what: str
    file: str
    address: str
    page: str
    sha256: str | None
    terms: str

    @property
    def dimensions(self) -> int:
        """2 or 3, of the network that the file is for."""
        return 3 if self.part == "crop" else 2


@cache
def known() -> dict[str, Published]:
    """{part: Published}."""
    text = Path(__file__).with_name("published.yaml").read_text(encoding="utf-8")
    return {part: Published(part, **entry) for part, entry in yaml.safe_load(text).items()}


def known_by_file() -> dict[str, Published]:
    """{file: Published}."""
    return {one.file: one for one in known().values()}


def fetched() -> dict[str, str]:
    """{file: SHA-256} of the files that `make weights` checked and that are still there."""
    record = FOLDER / RECORD
    digests: dict[str, Any] = files.read_json(record) if record.is_file() else {}
    return {name: digest for name, digest in digests.items() if (FOLDER / name).is_file()}


UNKNOWN = "those of the file with SHA-256 {digest}, which the team must name"


def terms_of(weights: Mapping[str, str]) -> dict[str, str]:
    """{methods that started from a file, joined by commas: the terms of that file}.

    Parameters
    ----------
    weights : {method: SHA-256 of the file that its networks started from}
    """
    named: dict[str, list[str]] = {}
    for method, digest in weights.items():
        named.setdefault(digest.lower(), []).append(method)
    terms = {one.sha256: one.terms for one in known().values() if one.sha256}
    terms |= {
        digest: known_by_file()[file].terms
        for file, digest in fetched().items()
        if file in known_by_file()
    }
    return {
        ", ".join(methods): terms.get(digest) or UNKNOWN.format(digest=digest[:12])
        for digest, methods in named.items()
    }


def located(path: str) -> Path:
    """The file that a method's `pretrained.path` names."""
    if str(path).startswith(PREFIX):
        return FOLDER / str(path).removeprefix(PREFIX)
    return Path(path)
