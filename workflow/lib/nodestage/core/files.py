"""Files that are whole or absent: written under a temporary name, then renamed."""

import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path):
    """Give a temporary path beside `path`; rename it to `path` if the block ends well.

    The temporary name keeps every suffix, since writers choose the format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".part{os.getpid()}-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def masks(given, role, patients):
    """Each patient's organ labels or tumor mask, from a rule's input.

    Parameters
    ----------
    given : a rule's input with `<role>_files`, one file per patient, or `<role>_chunks`, one folder
        per patient that holds `<patient>.nii.gz`; the other is empty
    role : organs or tumor
    patients : codes, in the order of the input

    Returns
    -------
    list of paths
    """
    files, chunks = given[f"{role}_files"], given[f"{role}_chunks"]
    if files:
        return [Path(file) for _, file in zip(patients, files, strict=True)]
    return [
        Path(folder, f"{patient}.nii.gz") for patient, folder in zip(patients, chunks, strict=True)
    ]


def by_patient(patients, **paths):
    """{patient: {name: path}} from one list of paths per name, in the patients' order."""
    return {
        patient: dict(zip(paths, of_patient, strict=True))
        for patient, *of_patient in zip(patients, *paths.values(), strict=True)
    }


def of_fold(given, params):
    """Inputs of a fold's training and validation patients for the lymph-node networks.

    Parameters
    ----------
    given : a rule's input with `arterial`, `venous`, `maps`, `lymph_nodes`, of `params.patients`
    params : its `patients` (the annotated ones), `train` and `validation`

    Returns
    -------
    {patient: {arterial, venous, map, lymph_nodes}} of paths; "" for a patient without drawn lymph
    nodes, on whom no network is trained
    """
    channels = {
        "arterial": given.arterial,
        "venous": given.venous,
        "map": given.maps,
        "lymph_nodes": given.lymph_nodes,
    }
    annotated = by_patient(params.patients, **channels)
    others = {*params.train, *params.validation} - set(annotated)
    return annotated | {patient: dict.fromkeys(channels, "") for patient in others}


@contextmanager
def whole_folder(path):
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


def write_text(path, text):
    """Write `text` in UTF-8, whole or not at all."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path, value, sort=True):
    """Write `value` as JSON, by default with sorted keys, so that equal content is equal bytes."""
    write_text(path, json.dumps(value, indent=1, sort_keys=sort, default=_plain) + "\n")


def read_json(path):
    """The value that a JSON file holds."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def digest(path):
    """SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _plain(value):
    """NumPy scalars and arrays as plain Python values."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no place in a JSON record")
