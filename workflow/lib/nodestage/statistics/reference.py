"""How far an examination is from those that a fold's models learned from.

The summary of the training patients that goes into a bundle holds means, SDs, correlations and a few
quantiles over all of them: no value of any single patient. The distance is Mahalanobis's, with the
correlations shrunk (Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance
matrices"), divided by the square root of the number of statistics: about 1 is usual. A distance is
compared with those of the training patients, each from the summary of the others.

A small distance does not show that a score is right. A large one shows that the models were trained on no such
examination.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

MIN_PATIENTS = 5  # as `packet.min_cell`: fewer are not summarized
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
FAR = 0.95  # an examination farther away than this share of the training patients is flagged


@cache
def terms() -> dict[str, dict[str, Any]]:
    """{statistic: {words, unit, log, floor, digits}} of reference.yaml, in the order of a table."""
    return yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


def summary(rows: list[Mapping[str, float]]) -> dict[str, Any]:
    """What a bundle holds of a fold's training patients.

    Parameters
    ----------
    rows : one per training patient, {statistic of `terms`: value or NaN}

    Returns
    -------
    dict for JSON: `patients`, `statistics` ({name: {n, mean, sd}}, on the scale of comparison), `correlation` (of
    these, in their order), `distance` ({share: distance below which this share of the training
    patients lies}); with fewer than `MIN_PATIENTS` patients the number and a `reason` alone
    """
    if len(rows) < MIN_PATIENTS:
        return {
            "patients": len(rows),
            "reason": f"{len(rows)} training patients with images, at least {MIN_PATIENTS} are summarized",
        }
    names = [name for name in terms() if _known(rows, name) >= MIN_PATIENTS]
    values = _scaled(rows, names)
    whole = _fit(values, names)
    each = [
        _distance(_fit(np.delete(values, i, axis=0), names), values[i]) for i in range(len(rows))
    ]
    each = [one for one in each if np.isfinite(one)]
    return {
        "patients": len(rows),
        "statistics": {
            name: {"n": _known(rows, name), "mean": float(m), "sd": float(s)}
            for name, m, s in zip(names, whole["mean"], whole["sd"], strict=True)
        },
        "correlation": whole["correlation"].tolist(),
        "distance": {str(share): float(np.quantile(each, share)) for share in SHARES},
    }


def compare(reference: Mapping[str, Any], row: Mapping[str, float]) -> dict[str, Any]:
    """An examination compared with a summary.

    Parameters
    ----------
    reference : as `summary` gives it
    row : {statistic: value or NaN}; others than the summary's are left out

    Returns
    -------
    dict: `distance` (None without any statistic); `closer`, the share of the training patients that are
    closer to the others, to the nearest share below, 0 to 0.95; `far` whether that reaches `FAR`;
    `statistics` {name: {value, usual (from, to: mean ± 2 SD, in the statistic's unit), sd_away}}; `unmeasured`, names
    """
    if "reason" in reference:
        return {"distance": None, "reason": reference["reason"], "statistics": {}, "unmeasured": []}
    names = list(reference["statistics"])
    about = reference["statistics"]
    fitted = {
        "mean": np.array([about[name]["mean"] for name in names]),
        "sd": np.array([about[name]["sd"] for name in names]),
        "correlation": np.array(reference["correlation"]),
    }
    scaled = _scaled([row], names)[0]
    distance = _distance(fitted, scaled)
    away = (scaled - fitted["mean"]) / fitted["sd"]
    reached = [float(share) for share, cut in reference["distance"].items() if distance > cut]
    closer = max(reached, default=0.0)
    known = {name: float(a) for name, a in zip(names, away, strict=True) if np.isfinite(a)}
    return {
        "distance": distance if np.isfinite(distance) else None,
        "closer": closer,
        "far": closer >= FAR,
        "statistics": {
            name: {"value": float(row[name]), "usual": _usual(name, about[name]), "sd_away": a}
            for name, a in known.items()
        },
        "unmeasured": [name for name in names if name not in known],
    }


def _known(rows, name):
    return int(sum(np.isfinite(row.get(name, np.nan)) for row in rows))


def _scaled(rows, names):
    """Values (patients, statistics) on the scale of comparison."""
    values = np.array([[row.get(name, np.nan) for name in names] for row in rows], float)
    logged = np.array([terms()[name]["log"] for name in names], bool)
    return np.where(logged, np.log1p(np.where(logged, np.maximum(values, 0), 0)), values)


def _fit(values, names):
    """Mean, SD (not below the floor) and shrunk correlation; a missing value counts as the mean."""
    from sklearn.covariance import ledoit_wolf

    mean = np.nanmean(values, axis=0)
    floor = np.array([terms()[name]["floor"] for name in names])
    sd = np.maximum(np.nanstd(values, axis=0, ddof=1), floor)
    standard = np.nan_to_num((values - mean) / sd)
    covariance, _ = ledoit_wolf(standard, assume_centered=True)
    root = np.sqrt(np.maximum(np.diag(covariance), 1e-12))
    correlation = covariance / np.outer(root, root)
    return {"mean": mean, "sd": sd, "correlation": correlation}


def _distance(fitted, scaled):
    """Distance of one patient (statistics,) over the statistics that are known; NaN without any."""
    away = (scaled - fitted["mean"]) / fitted["sd"]
    known = np.isfinite(away)
    if not known.any():
        return float("nan")
    between = fitted["correlation"][np.ix_(known, known)]
    square = away[known] @ np.linalg.solve(between, away[known])
    return float(np.sqrt(square / known.sum()))


def _usual(name, about):
    """Mean ± 2 SD in the statistic's unit."""
    ends = about["mean"] - 2 * about["sd"], about["mean"] + 2 * about["sd"]
    if not terms()[name]["log"]:
        return [float(end) for end in ends]
    return [max(0.0, float(np.expm1(end))) for end in ends]
