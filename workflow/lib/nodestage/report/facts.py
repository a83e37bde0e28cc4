"""What a report needs beyond the statistics: records, scores and versions, gathered for its pages."""

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from nodestage.core import files, tables
from nodestage.core import learning as trained
from nodestage.core.names import PHASES
from nodestage.report import costs
from nodestage.report import gallery as galleries
from nodestage.report.records import Facts, Images, Run

SOFTWARE = (
    "nodestage",
    "snakemake",
    "nnunetv2",
    "torch",
    "pyradiomics",
    "SimpleITK",
    "scikit-learn",
)

MIN_COVERED = 0.9
MAX_FOLDED = 1e-4
"""Beyond these a registration is worth a look, though it did not fail."""


@dataclass(frozen=True)
class Flag:
    """Something to look at in one patient.

    Attributes
    ----------
    about : `reason`, a phase, `registration`, `phases`, `nodes`, or a mask's role
    text : sentence
    """

    about: str
    text: str

    def __str__(self):
        return self.text


@dataclass(frozen=True)
class CenterInputs:
    """What a center's page is made from, beside its tables.

    Attributes
    ----------
    predictions : {method: {patient: row}}, see `predictions`
    registration, intake : {patient: record}, see `records`
    manifest : file of the frozen bundle
    gallery : file that `gallery.write` wrote; None where no image is at hand
    thresholds : files with each fold's frozen thresholds, for an external center's mean
    truth, oracle : files with evaluation tables of a simulated study, or None
    quality : file that `quality.record` gave, or None
    learning : table of how each network fitted its own training data, or None
    """

    predictions: dict
    registration: dict
    intake: dict
    manifest: str
    gallery: str | None = None
    thresholds: tuple = ()
    truth: str | None = None
    oracle: str | None = None
    quality: str | None = None
    learning: str | None = None


def of_center(known, inputs):
    """The `Facts` of a center's page.

    Parameters
    ----------
    known : what the study reports of the run (`Study.facts`)
    inputs : CenterInputs
    """
    views = galleries.read(inputs.gallery) if inputs.gallery else {}
    images = files.read_json(inputs.quality) if inputs.quality else None
    substituted = sum(
        bool(r.get("substituted")) and not r.get("one_phase") for r in inputs.registration.values()
    )
    returned = known.get("returned")
    return Facts(
        run=Run.of(known, **about_the_run(inputs.manifest, inputs.learning)),
        patients=[_person(row, known, inputs, images, views) for row in known["rows"]],
        substituted=int(returned["substituted"]) if returned else substituted,
        thresholds=mean_thresholds(inputs.thresholds),
        returned=returned,
        images=Images(images["patients"], images["flagged"], images["notes"]) if images else None,
        truth=mean_dice(tables.read(inputs.truth)) if inputs.truth else None,
        oracle=tables.read(inputs.oracle) if inputs.oracle else None,
    )


def _person(row, known, inputs, images, views):
    """One patient of `Facts.patients`, from a row of the sample sheet."""
    patient = row["patient"]
    record = inputs.registration.get(patient, {})
    if images is None:
        listed = flags(inputs.intake.get(patient, {}), record, known["reasons"].get(patient))
    else:  # the page about the images has compared the patients with one another
        listed = [Flag(**flag) for flag in images["flags"].get(patient, [])]
    scores = {
        method: rows[patient] for method, rows in inputs.predictions.items() if patient in rows
    }
    warnings = [flag.text for flag in listed if flag.about == "registration"]
    return {
        **row,
        "scores": scores,
        "flags": [flag.text for flag in listed],
        "registration": {**record, "warnings": warnings},
        "deciding_node": views.get(patient, {}).get("facts", {}).get("deciding_node", {}),
    }


def mean_thresholds(paths):
    """{method: mean of the folds' frozen thresholds}, of methods with one in every fold."""
    folds = [files.read_json(path) for path in paths]
    means = {}
    for method in folds[0] if folds else ():
        cuts = [fold[method]["threshold"] for fold in folds]
        if all(cut is not None for cut in cuts):
            means[method] = sum(cuts) / len(cuts)
    return means


def of_study(known, manifest, truth=None, benchmarks=None, learning=None):
    """The `Facts` of the study's page; `truth` are the evaluation tables of a simulated study."""
    return Facts(
        run=Run.of(known, **about_the_run(manifest, learning)),
        truth=mean_dice([row for path in truth for row in tables.read(path)]) if truth else None,
        timings=timings(benchmarks) if benchmarks else None,
    )


def about_the_run(manifest, learning=None):
    """Versions of what ran, the digest that names the frozen model, and networks that failed to learn."""
    return {
        "unlearned": trained.sentences(tables.read(learning)) if learning else [],
        "versions": {name: metadata.version(name) for name in SOFTWARE if _installed(name)},
        "model_digest": files.digest(manifest),
    }


def predictions(paths, role):
    """{method: {patient: row}} of a center's page: test predictions, or those of the ensemble.

    Parameters
    ----------
    paths : results/predictions/{method}/{part}/{center}.tsv of all methods and parts
    role : of the center; an external one is scored by its ensemble
    """
    by_method = {}
    for path in map(Path, paths):
        method, part = path.parts[-3:-1]
        if (part == "ensemble") == (role == "external"):
            rows = by_method.setdefault(method, {})
            rows.update(
                {r["patient"]: r for r in tables.read(path) if r["subset"] in ("test", "external")}
            )
    return by_method


def records(paths):
    """{patient: record} of files named results/{stage}/{patient}/{record}.json."""
    by_patient = {}
    for path in map(Path, paths):
        record = files.read_json(path)
        record = {path.stem: record} if path.stem in PHASES else record
        by_patient.setdefault(path.parent.name, {}).update(record)
    return by_patient


def mask_records(paths):
    """{patient: {role: record}} of files named results/registration/{patient}/{role}.json."""
    by_patient = {}
    for path in map(Path, paths):
        by_patient.setdefault(path.parent.name, {})[path.stem] = files.read_json(path)
    return by_patient


def flags(intake, registration, reason):
    """List of `Flag` of one patient.

    Parameters
    ----------
    intake : {phase: record}
    registration : record; empty where there is none
    reason : why no image is used, or ""
    """
    listed = [Flag("reason", reason)] if reason else []
    for phase, record in sorted(intake.items()):
        listed += [Flag(phase, f"{phase}: {text}") for text in record["quality"]["warnings"]]
    return listed + _of_registration(registration)


def _of_registration(record):
    sentences = []
    if record.get("failed"):
        sentences.append(f"registration: {record.get('reason', 'failed')}")
    covered = record.get("covered_share", 1.0)
    if covered < MIN_COVERED:
        sentences.append(
            f"registration: the arterial image covers {covered:.0%} of the venous image"
        )
    folded = record.get("folded_share", 0.0)
    if folded > MAX_FOLDED:
        sentences.append(f"registration: {folded:.2%} of the voxels of the field fold")
    if record.get("substituted") and not record.get("one_phase"):
        why = record.get("reason")
        sentences.append(
            f"the {record['substituted']} phase is used in place of both"
            + (f", since the registration failed: {why}" if why else "")
        )
    return [Flag("registration", sentence) for sentence in sentences]


def mean_dice(rows):
    """Mean Dice of each structure, one row per structure, one column per center."""
    centers = sorted({row["center"] for row in rows})
    values = {}
    for row in rows:
        value = tables.number(row["dice"])
        if value == value:  # undefined where neither the truth nor the prediction has a voxel
            values.setdefault(row["structure"], {}).setdefault(row["center"], []).append(value)
    return [
        {"structure": structure}
        | {c: sum(v) / len(v) if (v := by_center.get(c)) else None for c in centers}
        for structure, by_center in values.items()
    ]


def timings(folder):
    """Seconds and largest memory of each kind of job, from Snakemake's benchmark files."""
    stages = {}
    for path in sorted(Path(folder).rglob("*.tsv")):
        stage = path.relative_to(folder).parts[0]
        row = tables.read(path)[0]
        entry = stages.setdefault(
            stage, {"stage": stage, "jobs": 0, "seconds": 0.0, "peak_mb": 0.0}
        )
        entry["jobs"] += 1
        entry["seconds"] += tables.number(row["s"])
        entry["peak_mb"] = max(entry["peak_mb"], costs.measured(row["max_rss"]))
    return [
        {**entry, "seconds": round(entry["seconds"]), "peak_mb": round(entry["peak_mb"])}
        for entry in stages.values()
    ]


def _installed(name):
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
