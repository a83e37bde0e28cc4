"""What the methods of a family may read of patients, gathered from the stages before them."""

from importlib import import_module
from pathlib import Path

from nodestage.candidates import patients as candidates
from nodestage.core import files, tables
from nodestage.identification.volumes import positive_volumes
from nodestage.methods import base

BUILT_IN = ("fusion", "baselines")


def data(given, codes, clinical, absent):
    """The `base.Data` of some patients.

    Parameters
    ----------
    given : a rule's input, with `records` (of the registration) and any of `views`, `radiomics`
        (all three: one file a patient, named after the patient) and `nodes` (instance tables of
        one fold)
    codes : patient codes
    clinical : {patient: {column: text}}
    absent : {patient: reason} of those without images, as the sample sheet tells

    A patient with images but without a row in any instance table has no lymph node: volume 0,
    whichever of `identification.volumes.KINDS` a method asks for.
    """
    reasons = dict(absent)
    for path in given.get("records", []):
        record = files.read_json(path)
        if record["failed"]:
            reasons[Path(path).parent.name] = record["reason"]
    paths = given.get("nodes", [])
    rows = [row for path in paths for row in tables.read(path)]
    candidates_told = any("counts" in tables.header(path) for path in paths)
    return base.Data(
        slices=_by_patient(given.get("views", [])),
        features=_by_patient(given.get("radiomics", [])),
        volumes=_volumes(rows, codes, reasons, candidates_told),
        noisy_or=_noisy_or(rows, codes, reasons) if candidates_told else {},
        clinical=clinical,
        reasons=reasons,
    )


def classes(family, chosen):
    """{method: class} of a family: nodestage's own, or the files that the config names."""
    if family in BUILT_IN:
        known = import_module(f"nodestage.methods.{family}.family").METHODS
        return {name: known[name] for name in chosen}
    return {name: base.from_file(name, settings["file"]) for name, settings in chosen.items()}


def settings(chosen):
    """{method: its own settings}, without what only the workflow needs to know."""
    return {name: entry.get("settings", {}) for name, entry in chosen.items()}


def _by_patient(paths):
    return {Path(path).stem: path for path in paths}


def _volumes(rows, codes, reasons, candidates_told):
    found = {
        variant: {
            code: reasons.get(code) or positive_volumes(_of(rows, code, variant)) for code in codes
        }
        for variant in ("plain", "attention")
    }
    if candidates_told:
        found["candidates"] = {
            code: reasons.get(code) or candidates.counted_volumes(_of(rows, code)) for code in codes
        }
    return found


def _noisy_or(rows, codes, reasons):
    return {code: reasons.get(code) or candidates.noisy_or(_of(rows, code)) for code in codes}


def _of(rows, code, variant="attention"):
    return [row for row in rows if row["patient"] == code and row["variant"] == variant]
