"""Fetch the published weights that the paper starts from: `make weights`.

A file counts once its digest is the published one, or, where its authors publish none, once it was
read without running any code in it and all its tensors fit the network. Files that were fetched by
hand and laid into the folder are checked in the same way, without a network.
"""

import argparse
import shutil
import sys
import urllib.request
from pathlib import Path

from nodestage.core import files
from nodestage.core.errors import InputError
from nodestage.methods.fusion import published
from nodestage.methods.fusion.published import Published

BY_HAND = """\
{file} ({what}) could not be fetched: {why}.
  By hand: open {page}
  or {address}
  on a machine with internet, save the file as {folder}/{file}, and run `make weights` again."""


def main(arguments: list[str] | None = None) -> int:
    """Fetch and check every file; the exit status is 1 where one is missing or wrong."""
    parser = argparse.ArgumentParser(prog="make weights", description=__doc__)
    parser.add_argument("--folder", default=str(published.FOLDER), help="where the files are kept")
    folder = Path(parser.parse_args(arguments).folder)
    folder.mkdir(parents=True, exist_ok=True)
    digests, failed = {}, 0
    for one in published.known().values():
        try:
            digests[one.file] = obtain(one, folder)
            print(f"{one.file}: {one.what}; {one.terms}")
            print(f"  sha256 {digests[one.file]}")
        except InputError as error:
            print(f"Error: {error}", file=sys.stderr)
            failed += 1
    files.write_json(folder / published.RECORD, digests)
    return int(failed > 0)


def obtain(one: Published, folder: Path) -> str:
    """The digest of a file in `folder`, fetched where it isn't there yet, and checked.

    Raises
    ------
    InputError with how to fetch the file by hand, or where it is another file
    """
    path = folder / one.file
    if path.is_file():
        return check(one, path)
    try:
        with files.whole(path) as temporary:
            _download(one.address, temporary)
            return check(one, temporary)
    except OSError as error:
        why = str(getattr(error, "reason", "") or error)
        raise InputError(
            BY_HAND.format(
                file=one.file, what=one.what, why=why, page=one.page, address=one.address,
                folder=folder,
            )
        ) from error  # fmt: skip


def check(one: Published, path: Path) -> str:
    """The SHA-256 of a file of weights; `InputError` where it is not the published one."""
    digest = files.digest(path)
    if one.sha256 and digest != one.sha256:
        raise InputError(
            f"{one.file} has sha256 {digest}, published is {one.sha256}. Delete it and fetch it again."
        )
    from nodestage.methods.fusion import weights
    from nodestage.methods.fusion.resnet import ResNet18

    try:
        weights.load(ResNet18(one.dimensions), {"path": str(path), "sha256": digest})
    except InputError as error:
        raise InputError(f"{one.file} is another file: {error}") from error
    return digest


def _download(address: str, path: Path) -> None:
    with urllib.request.urlopen(address, timeout=60) as answer, path.open("wb") as handle:
        shutil.copyfileobj(answer, handle)


if __name__ == "__main__":
    sys.exit(main())
