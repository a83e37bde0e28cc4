"""What the methods of a family may read of patients, gathered from the stages before them."""

from pathlib import Path

from nodestage.candidates import patients as candidates
from nodestage.core import files, tables
from nodestage.identification.volumes import positive_volumes
from nodestage.methods import base
from nodestage.methods.radiomics import robustness


def data(inputs, codes, clinical, absent):
    """The `base.Data` of some patients.

    Parameters
    ----------
    inputs : a rule's input, with any of `views`, `radiomics` (one file per patient, named after the
        patient), `nodes` (instance tables of one fold; with `records` of the registration, one per
        patient, in a folder named after the patient), `scores` (tables of other families in that fold) and `robustness` (one table, of
        the fold's training patients)
    codes : patient codes
    clinical : {patient: {column: text}}
    absent : {patient: reason} of those without images, as the sample sheet shows

    A patient with images but without a row in any instance table has no lymph node: volume 0,
    by each of `identification.volumes.KINDS`.
    """
    reasons = dict(absent)
    for path in inputs.get("records", []):
        record = files.read_json(path)
        if record["failed"]:
            reasons[Path(path).parent.name] = record["reason"]
    paths = inputs.get("nodes", [])
    rows = [row for path in paths for row in tables.read(path)]
    with_candidates = any("counts" in tables.header(path) for path in paths)
    return base.Data(
        slices=_by_patient(inputs.get("views", [])),
        features=_by_patient(inputs.get("radiomics", [])),
        volumes=_volumes(rows, codes, reasons, with_candidates),
        noisy_or=_of_candidates(candidates.noisy_or, rows, codes, reasons, with_candidates),
        expected=_of_candidates(
            candidates.expected_positive, rows, codes, reasons, with_candidates
        ),
        candidates=_of_candidates(list, rows, codes, reasons, with_candidates),
        scores=_scores(inputs.get("scores", []), codes),
        robust=_robust(inputs.get("robustness", [])),
        clinical=clinical,
        reasons=reasons,
    )


def _scores(paths, codes):
    """{method: {patient: score or reason}} of these patients alone."""
    wanted, scores = set(codes), {}
    for row in (row for path in paths for row in tables.read(path)):
        if row["patient"] in wanted:
            value = row["reason"] if row["score"] in (None, "") else float(row["score"])
            scores.setdefault(row["method"], {})[row["patient"]] = value
    return scores


def _robust(paths):
    """Names of the features that the fold's table keeps; None where there is no table, or no row in it."""
    return robustness.kept(paths[0]) if paths else None


def settings(methods):
    """{method: its settings}, of {method: its `settings`, and `file` where a user added it}."""
    return {name: entry.get("settings", {}) for name, entry in methods.items()}


def _by_patient(paths):
    return {Path(path).stem: path for path in paths}


def _volumes(rows, codes, reasons, with_candidates):
    volumes = {
        variant: {
            code: reasons.get(code) or positive_volumes(_of(rows, code, variant)) for code in codes
        }
        for variant in ("plain", "attention")
    }
    if with_candidates:
        volumes["candidates"] = {
            code: reasons.get(code) or candidates.counted_volumes(_of(rows, code)) for code in codes
        }
    return volumes


def _of_candidates(measure, rows, codes, reasons, with_candidates):
    """{patient: `measure` of its candidates' rows, or a reason}; {} where candidates are not classified."""
    if not with_candidates:
        return {}
    return {code: reasons.get(code) or measure(_of(rows, code)) for code in codes}


def _of(rows, code, variant="attention"):
    return [row for row in rows if row["patient"] == code and row["variant"] == variant]
