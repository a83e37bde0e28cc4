"""Files that are whole or absent: written under a temporary name, then renamed."""

import glob
import json
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nodestage.core import seals
from nodestage.core.errors import InputError
from nodestage.core.seals import digest as digest


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` if the block ends well.

    The temporary name keeps every suffix, since writers choose the format by it. What a killed process left of the
    same file is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_what_was_left(path)
    temporary = path.with_name(f".part{os.getpid()}-{path.name}")
    try:
        yield temporary
        seals.remove(path)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _remove_what_was_left(path):
    """Remove temporary files of `path` whose process isn't running any more."""
    for left in path.parent.glob(f".part*-{glob.escape(path.name)}"):
        process, _, name = left.name.removeprefix(".part").partition("-")
        if name == path.name and process.isdigit() and not _is_running(int(process)):
            left.unlink(missing_ok=True)


def _is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        pass
    return True


def masks(inputs, role: str, patients: Sequence[str]) -> list[Path]:
    """Each patient's organ labels or tumor mask, from a rule's input.

    Parameters
    ----------
    inputs : a rule's input with `<role>_files`, one file per patient, or `<role>_chunks`, one
        folder per patient that holds `<patient>.nii.gz`; the other is empty
    role : organs or tumor
    patients : codes, in the order of the input
    """
    files, chunks = inputs[f"{role}_files"], inputs[f"{role}_chunks"]
    if files:
        return [Path(file) for _, file in zip(patients, files, strict=True)]
    return [
        Path(folder, f"{patient}.nii.gz") for patient, folder in zip(patients, chunks, strict=True)
    ]


def by_patient(patients: Sequence[str], **paths: Sequence[str]) -> dict[str, dict[str, str]]:
    """{patient: {name: path}} from one list of paths per name, in the patients' order."""
    return {
        patient: dict(zip(paths, of_one, strict=True))
        for patient, *of_one in zip(patients, *paths.values(), strict=True)
    }


def of_fold(params, **paths: Sequence[str]) -> dict[str, dict[str, str]]:
    """The files of a fold's training and validation patients, for the node networks.

    Parameters
    ----------
    params : a rule's, with `patients` (the annotated ones), `train` and `validation`
    paths : one list per name, in the order of `params.patients`, `lymph_nodes` among them

    Returns
    -------
    {patient: {name: path}}; "" for patients without annotation, on whom no network is trained
    """
    annotated = by_patient(params.patients, **paths)
    others = {*params.train, *params.validation} - set(annotated)
    return annotated | {patient: dict.fromkeys(paths, "") for patient in others}


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Give a temporary folder beside `path`; rename it to `path` if the block ends well."""
    path = Path(path)
    temporary = path.with_name(f".part-{path.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def is_regular(path: str | Path) -> bool:
    """Whether a path, links followed, is an ordinary file: a pipe or device would block its reader."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def check_regular(path: str | Path, what: str) -> None:
    """Raise `InputError` unless `path` is an ordinary file that this account may read."""
    if not os.path.lexists(path):
        raise InputError(f"{what} is not there. Correct its path.")
    if not os.path.exists(path):
        raise InputError(f"{what} is a link that leads nowhere. Correct the link, or its path.")
    if not is_regular(path):
        kind = "a folder" if os.path.isdir(path) else "a pipe or device"
        raise InputError(f"{what} is {kind}, not a file. Correct its path.")
    if not os.access(path, os.R_OK):
        raise InputError(f"{what} may not be read by this account. Ask for the right to read it.")


def write_text(path: str | Path, text: str) -> None:
    """Write `text` in UTF-8, whole or not at all."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: object, sort: bool = True) -> None:
    """Write `value` as JSON, by default with sorted keys, so that equal content is equal bytes."""
    write_text(path, json.dumps(value, indent=1, sort_keys=sort, default=_plain) + "\n")


def read_json(path: str | Path):
    """The value that a JSON file of this workflow holds; `InputError` where it was cut or changed."""
    seals.check(path)
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise seals.changed(path, f"can't be read ({type(error).__name__})") from error


def read_arrays(path: str | Path) -> dict:
    """The arrays of a .npz file of this workflow, by name; `InputError` where it was cut or changed."""
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as error:
        raise seals.changed(path, f"can't be read ({type(error).__name__})") from error


def unpacked_length(path: str | Path) -> int:
    """Uncompressed size in bytes, modulo 2³², from the last four bytes of a gzip file; 0 of an empty file."""
    with open(path, "rb") as handle:
        handle.seek(-min(4, os.path.getsize(path)), os.SEEK_END)
        return int.from_bytes(handle.read(), "little")


def _plain(value):
    """NumPy scalars and arrays as plain Python values."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} can't be written to a JSON record")
