"""What a report needs beyond the statistics: records, scores and versions, gathered for its pages."""

from importlib import metadata
from pathlib import Path

from nodestage.core import files, tables
from nodestage.core import learning as trained
from nodestage.core.names import PHASES
from nodestage.report import gallery as galleries

SOFTWARE = (
    "nodestage",
    "snakemake",
    "nnunetv2",
    "torch",
    "pyradiomics",
    "SimpleITK",
    "scikit-learn",
)


# Beyond these a registration is worth a look, though it did not fail.
LEAST_COVERED = 0.9
MOST_FOLDED = 1e-4


def of_center(
    known,
    predictions,
    registration,
    intake,
    gallery,
    manifest,
    thresholds=(),
    truth=None,
    oracle=None,
    quality=None,
    learning=None,
):
    """The facts of a center's page.

    Parameters
    ----------
    known : what the study says of the run (`Study.facts`)
    predictions : {method: {patient: row}}, see `predictions`
    registration, intake : {patient: record}, see `records`
    gallery : file that `gallery.write` wrote; None where no image is at hand
    manifest : file of the frozen bundle
    thresholds : files with each fold's frozen thresholds, for an external center's mean
    truth, oracle : evaluation tables of a simulated study, or None
    quality : file with what the page about the images warns of, or None
    learning : table of how each network fitted its own training data, or None
    """
    shown = galleries.read(gallery) if gallery else {}
    images = files.read_json(quality) if quality else {}
    people = []
    for row in known["rows"]:
        patient = row["patient"]
        record = registration.get(patient, {})
        beyond = images.get("warnings", {}).get(patient, [])
        people.append(
            {
                **row,
                "scores": {
                    method: rows[patient] for method, rows in predictions.items() if patient in rows
                },
                "flags": flags(intake.get(patient, {}), record, known["reasons"].get(patient))
                + beyond,
                "registration": {
                    **record,
                    "warnings": registration_warnings(record)
                    + [text for text in beyond if text.startswith("registration: ")],
                },
                "deciding_node": shown.get(patient, {}).get("facts", {}).get("deciding_node", {}),
            }
        )
    substituted = [p for p, record in registration.items() if record.get("substituted")]
    if known.get("returned"):
        substituted = int(known["returned"]["substituted"])
    return {
        **{k: v for k, v in known.items() if k not in ("rows", "reasons")},
        "patients": people,
        "substituted": substituted,
        "threshold": mean_thresholds(thresholds),
        "truth": mean_dice(tables.read(truth)) if truth else None,
        "oracle": tables.read(oracle) if oracle else None,
        "images": {key: images[key] for key in ("patients", "flagged")} if images else None,
        **about_the_run(manifest, learning),
    }


def mean_thresholds(paths):
    """{method: mean of the folds' frozen thresholds}, of methods with one in every fold."""
    folds = [files.read_json(path) for path in paths]
    found = {}
    for method in folds[0] if folds else ():
        cuts = [fold[method]["threshold"] for fold in folds]
        if all(cut is not None for cut in cuts):
            found[method] = sum(cuts) / len(cuts)
    return found


def of_study(known, manifest, truth=None, benchmarks=None, learning=None):
    """The facts of the study's page; `truth` are the evaluation tables of a simulated study."""
    found = {**known, **about_the_run(manifest, learning)}
    if truth:
        found["truth"] = mean_dice([row for path in truth for row in tables.read(path)])
    if benchmarks:
        found["timings"] = timings(benchmarks)
    return found


def about_the_run(manifest, learning=None):
    """Versions of what ran, the digest that names the frozen model, and networks that failed to learn."""
    return {
        "unlearned": trained.sentences(tables.read(learning)) if learning else [],
        "versions": {name: metadata.version(name) for name in SOFTWARE if _installed(name)},
        "model_digest": files.digest(manifest),
    }


def predictions(paths, role):
    """{method: {patient: row}} that a center's page speaks of: tested, or the ensemble's.

    Parameters
    ----------
    paths : results/predictions/{method}/{part}/{center}.tsv of all methods and parts
    role : of the center; an external one is judged by its ensemble
    """
    found = {}
    for path in map(Path, paths):
        method, part = path.parts[-3:-1]
        if (part == "ensemble") == (role == "external"):
            rows = found.setdefault(method, {})
            rows.update(
                {r["patient"]: r for r in tables.read(path) if r["subset"] in ("test", "external")}
            )
    return found


def records(paths):
    """{patient: record} of files named results/{stage}/{patient}/{record}.json."""
    found = {}
    for path in map(Path, paths):
        found.setdefault(path.parent.name, {}).update(
            {path.stem: files.read_json(path)} if path.stem in PHASES else files.read_json(path)
        )
    return found


def flags(intake, registration, reason):
    """Sentences about what to look at in one patient."""
    found = [reason] if reason else []
    for phase, record in sorted(intake.items()):
        found += [f"{phase}: {text}" for text in record["quality"]["warnings"]]
    return found + registration_warnings(registration)


def registration_warnings(record):
    """Sentences about what a registration's record warns of."""
    found = []
    if record.get("failed"):
        found.append(f"registration: {record.get('reason', 'failed')}")
    covered = record.get("covered_share", 1.0)
    if covered < LEAST_COVERED:
        found.append(f"registration: the arterial phase covers {covered:.0%} of the venous one")
    folded = record.get("folded_share", 0.0)
    if folded > MOST_FOLDED:
        found.append(f"registration: {folded:.2%} of the field is folded")
    if record.get("substituted"):
        why = record.get("reason")
        found.append(
            f"the {record['substituted']} phase stands in for the other"
            + (f", since the registration failed: {why}" if why else "")
        )
    return found


def mean_dice(rows):
    """Mean Dice of each structure, a row each, by center."""
    centers = sorted({row["center"] for row in rows})
    found = {}
    for row in rows:
        value = tables.number(row["dice"])
        if value == value:  # undefined where neither the truth nor the prediction has a voxel
            found.setdefault(row["structure"], {}).setdefault(row["center"], []).append(value)
    return [
        {"structure": structure}
        | {c: sum(v) / len(v) if (v := by_center.get(c)) else None for c in centers}
        for structure, by_center in found.items()
    ]


def timings(folder):
    """Seconds and largest memory of each kind of job, from Snakemake's benchmark files."""
    found = {}
    for path in sorted(Path(folder).rglob("*.tsv")):
        stage = path.relative_to(folder).parts[0]
        row = tables.read(path)[0]
        entry = found.setdefault(stage, {"stage": stage, "jobs": 0, "seconds": 0.0, "peak_mb": 0.0})
        entry["jobs"] += 1
        entry["seconds"] += tables.number(row["s"])
        entry["peak_mb"] = max(entry["peak_mb"], _megabytes(row["max_rss"]))
    return [
        {**entry, "seconds": round(entry["seconds"]), "peak_mb": round(entry["peak_mb"])}
        for entry in found.values()
    ]


def _megabytes(text):
    return 0.0 if text in ("", "-", "NA") else float(text)


def _installed(name):
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
