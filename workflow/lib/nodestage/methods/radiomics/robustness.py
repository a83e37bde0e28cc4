"""A patient's radiomics under small changes of mask and images, and which features withstand them.

The first table is one patient's, which `of_patient` computes with PyRadiomics; the second one fold's
(`statistics.robustness`).
"""

from pathlib import Path

from nodestage.core import seals, tables
from nodestage.methods.radiomics.common import COUNT, PHASES, Unscorable

ORIGINAL = "original"


def of_patient(original, phases, mask, spacing, seed):
    """Features of both phases under each change of `perturbation.NAMES`.

    Parameters
    ----------
    original : {"<phase>_<feature>": float} without any change, as `radiomics.read` gives it
    phases, mask, spacing : as in `radiomics.of_patient`
    seed : int, of the random changes

    Returns
    -------
    values : {"original": {"<phase>_<feature>": float}, "eroded": {...}, ...}, or {}
    reason : "" or why there are none
    """
    from nodestage.methods.radiomics import extraction, perturbation

    values = {ORIGINAL: original}
    for name, images, changed in perturbation.perturbed(phases, mask, spacing, seed):
        try:
            values[name] = {
                f"{phase}_{feature}": value
                for phase, image in zip(PHASES, images, strict=True)
                for feature, value in extraction.features(image, changed, spacing).items()
            }
        except Unscorable as error:
            return {}, f"{name}: {error}"
    return values, ""


def write(path, values, reason=""):
    """One row per phase and feature, with a column for each change; else one row with the reason."""
    changes = list(values)
    rows = [
        {"feature": feature, "reason": ""} | {change: values[change][feature] for change in changes}
        for feature in values.get(ORIGINAL, {})
    ]
    rows = rows or [{"feature": "", "reason": reason}]
    tables.write(path, rows, ("feature", *changes, "reason"))


def read(path):
    """What `write` wrote: (values, reason), as `of_patient` gives them."""
    rows = tables.read(path)
    if len(rows) == 1 and rows[0]["reason"]:
        return {}, rows[0]["reason"]
    if len(rows) != len(PHASES) * COUNT:
        raise seals.changed(path, f"has {len(rows)} rows, not {len(PHASES) * COUNT}")
    changes = [column for column in rows[0] if column not in ("feature", "reason")]
    return {c: {row["feature"]: float(row[c]) for row in rows} for c in changes}, ""


def read_all(paths):
    """({patient: values}, {patient: reason}) of several patients, whose files are named after them."""
    values, reasons = {}, {}
    for path in paths:
        patient = Path(path).stem
        of_one, reason = read(path)
        if reason:
            reasons[patient] = reason
        else:
            values[patient] = of_one
    return values, reasons


def kept(path):
    """Names of the features that a fold's table keeps, {"<phase>_<feature>"}; None if it has no rows.

    It has none where no patient's features could be computed: then nothing is known, and all are kept.
    """
    rows = tables.read(path)
    if not rows:
        return None
    return {f"{row['phase']}_{row['feature']}" for row in rows if row["kept"] == "1"}
