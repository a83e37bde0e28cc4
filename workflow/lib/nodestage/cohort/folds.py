"""Training, validation and test patients: fold tables, inner folds, chunks.

Order within a class comes from a hash of seed and patient code, not from a random
generator: the same tables on every machine and with every library version, and no
import that a parsed workflow would pay for.
"""

import hashlib
from pathlib import Path

from nodestage.cohort.faults import IntakeError
from nodestage.core import handwritten

SUBSETS = ("train", "validation", "test")


def _shuffled(patients, *key):
    """`patients` in an order that depends on `key` and their codes alone."""

    def order(patient):
        return hashlib.sha256("/".join(map(str, (*key, patient))).encode()).digest()

    return sorted(patients, key=order)


def chunk_of(patient, n_chunks):
    """The chunk of a patient, 0 … n_chunks − 1: a fixed hash of the code.

    A new patient changes no other patient's chunk.
    """
    return int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8], "big") % int(n_chunks)


def _deal(patients, labels, n, *key):
    """`n` stratified parts; classes are dealt one after another, so that sizes stay even."""
    parts = [[] for _ in range(n)]
    index = 0
    for label in sorted(set(labels.values())):
        for patient in _shuffled([p for p in patients if labels[p] == label], *key, label):
            parts[index % n].append(patient)
            index += 1
    return parts


def _labels(rows):
    """{patient: '0' or '1'} of the rows; who has no label can't be stratified."""
    unknown = sorted(row["patient"] for row in rows if str(row["metastasis"]) not in ("0", "1"))
    if unknown:
        raise IntakeError(
            f"metastasis is neither 0 nor 1 for {', '.join(unknown)}. "
            "Folds are stratified by it: give it, or remove these patients."
        )
    return {row["patient"]: str(row["metastasis"]) for row in rows}


def make_folds(rows, n_folds, seed):
    """Fold tables for the patients of the discovery center.

    Every patient is tested in exactly one fold. Of a fold's other patients a fifth
    are its validation patients (five folds: 64 / 16 / 20 %), both stratified by
    `metastasis`. The order of rows does not matter.

    Returns
    -------
    list of {patient: 'train' | 'validation' | 'test'}, one per fold, patients sorted
    """
    labels = _labels(rows)
    n_folds = int(n_folds)
    if n_folds < 2:
        raise IntakeError(f"`folds.n` is {n_folds}. Cross-validation needs at least 2.")
    minimum = _min_patients(n_folds)
    counts = {label: list(labels.values()).count(label) for label in ("0", "1")}
    if min(counts.values()) < minimum:
        fewer = [n for n in range(n_folds - 1, 1, -1) if _min_patients(n) <= min(counts.values())]
        hint = f"Add patients, or set `folds.n: {fewer[0]}`" if fewer else "Add patients"
        raise IntakeError(
            f"The discovery center has {counts['1']} patients with metastasis and {counts['0']} "
            f"without; {n_folds} folds need at least {minimum} of each (one to test, one to "
            f"validate and two to train in every fold). {hint}."
        )
    folds = []
    for fold, tested in enumerate(_deal(sorted(labels), labels, n_folds, seed, "test")):
        subset = dict.fromkeys(labels, "train") | dict.fromkeys(tested, "test")
        for label in ("0", "1"):
            rest = [p for p in labels if subset[p] == "train" and labels[p] == label]
            chosen = _shuffled(rest, seed, "validation", fold)[: _fifth(len(rest))]
            subset |= dict.fromkeys(chosen, "validation")
        folds.append(dict(sorted(subset.items())))
    return folds


def _fifth(n):
    return max(1, round(n / 5))


def _min_patients(n_folds):
    """Fewest patients of a class that give every fold one of it to test, one to validate, two to train."""
    n = n_folds
    while True:
        rest = n - -(-n // n_folds)
        if rest - _fifth(rest) >= 2:
            return n
        n += 1


def inner_folds(train_patients, labels, n, seed):
    """Split a fold's training patients in `n` stratified parts.

    Parameters
    ----------
    train_patients : patient codes
    labels : {patient: 0 | 1}, text or number; may hold other patients too

    Returns
    -------
    list of n sorted lists
    """
    by_patient = {patient: str(labels[patient]) for patient in train_patients}
    for label in ("0", "1"):
        count = list(by_patient.values()).count(label)
        if count < n:
            raise IntakeError(
                f"A fold trains on {count} patients with metastasis {label}; `folds.inner: {n}` needs "
                f"at least {n}. Add patients, or lower `folds.inner` (0 measures them in-sample)."
            )
    return [sorted(part) for part in _deal(sorted(by_patient), by_patient, int(n), seed, "inner")]


def read_folds(folder, rows):
    """Fold tables that the user gives: fold0.tsv, fold1.tsv, … with `patient` and `subset`.

    Every fault of every table is in one error: an unknown patient, a missing or
    repeated one, an unknown subset, a subset with one class, a patient who is
    tested never or twice.

    Returns
    -------
    list of {patient: subset}, as from `make_folds`
    """
    folder, labels = Path(folder), _labels(rows)
    paths = sorted(folder.glob("fold*.tsv"))
    expected = [f"fold{k}.tsv" for k in range(len(paths))]
    if not paths or sorted(path.name for path in paths) != sorted(expected):
        raise IntakeError(
            f"The folder of fold tables holds {', '.join(p.name for p in paths) or 'no fold*.tsv'}. "
            "Number them from 0: fold0.tsv, fold1.tsv, …",
            f"folder: {folder}",
        )
    faults, folds = [], []
    for name in expected:
        folds.append(_read_fold(folder / name, labels, faults))
    for patient in sorted(labels):
        tested = [k for k, fold in enumerate(folds) if fold.get(patient) == "test"]
        if len(tested) != 1:
            where = f"in folds {', '.join(map(str, tested))}" if tested else "in no fold"
            faults.append(f"patient {patient} is tested {where}. Each is tested in exactly one")
    if faults:
        raise IntakeError(
            "\n".join([f"The fold tables have {len(faults)} faults:", *("  " + f for f in faults)])
        )
    return folds


def _read_fold(path, labels, faults):
    name, fold = path.stem, {}
    table = handwritten.lines(path, f"The fold table {path.name}")
    columns = [cell.lower() for cell in table[0][1]] if table else []
    for column in ("patient", "subset"):
        if columns.count(column) != 1:
            faults.append(
                f"{name}: the columns are {', '.join(columns) or '(none)'}. They must be patient and subset"
            )
            return fold
    for number, cells in table[1:]:
        row = dict(zip(columns, cells, strict=False))
        patient, subset = row["patient"], row.get("subset", "")
        if patient not in labels:
            faults.append(
                f"{name}, row {number}: {patient!r} is not a patient of the discovery center. Remove the row"
            )
        elif patient in fold:
            faults.append(
                f"{name}, row {number}: patient {patient} stands there twice. Keep one row"
            )
        if subset not in SUBSETS:
            faults.append(f"{name}, row {number}: subset {subset!r}. Use {', '.join(SUBSETS)}")
        fold.setdefault(patient, subset)
    missing = sorted(set(labels) - set(fold))
    if missing:
        faults.append(
            f"{name}: {', '.join(missing)} missing. Every discovery patient has a row in every fold"
        )
    for subset in SUBSETS:
        classes = [labels[p] for p, s in fold.items() if s == subset and p in labels]
        if len(set(classes)) < 2:
            faults.append(
                f"{name}, {subset}: {classes.count('1')} patients with metastasis and {classes.count('0')} "
                "without. Each subset needs both classes: exchange patients"
            )
    return dict(sorted(fold.items()))
