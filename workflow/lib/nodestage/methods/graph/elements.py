"""A patient as numbers: one row per candidate, their distances, and one row for the tumor."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from nodestage.core import tables

CANDIDATE = (
    "log_volume",
    "short_axis_mm",
    "confidence",
    "logit_node",
    "logit_positive",
    "logit_identified",
    "distance_mm",
)
TUMOR = (
    "log_volume",
    "arterial_mean",
    "arterial_sd",
    "venous_mean",
    "venous_sd",
)
CERTAIN = 0.005  # probabilities nearer to 0 or 1 than this count as this
FAR_MM = 300.0  # distance where no tumor was segmented


@dataclass(frozen=True)
class Elements:
    """One patient.

    Attributes
    ----------
    instances : numbers of the candidates (n,), int
    candidates : (n, len(CANDIDATE)), float
    node, positive : probability of a lymph node and of a positive one, (n,)
    between : distance between candidates, (n, n), mm
    to_tumor : distance to the tumor's center, (n,), mm; `FAR_MM` where no tumor was segmented
    tumor : (len(TUMOR),), float
    """

    instances: np.ndarray
    candidates: np.ndarray
    node: np.ndarray
    positive: np.ndarray
    between: np.ndarray
    to_tumor: np.ndarray
    tumor: np.ndarray


def read(patients, name: str) -> Elements:
    """The elements of one patient, from `Patients.candidates` and `Patients.views`."""
    columns = numbers(patients, name)
    views = patients.views(name)
    at = np.stack([columns[axis] for axis in "xyz"], axis=1)
    center = views["center_mm"] if views["source"] == "tumor" else np.full(3, np.nan)
    away = np.linalg.norm(at - center, axis=1)
    return Elements(
        columns["instance"].astype(int),
        np.stack([_numbers(columns)[name] for name in CANDIDATE], axis=1),
        columns["p_node"],
        columns["p_node_positive"],
        np.linalg.norm(at[:, None] - at[None], axis=2),
        np.where(np.isnan(away), FAR_MM, away),
        _tumor(views),
    )


_NUMBERS = (
    *("instance", "x", "y", "z", "volume_mm3", "short_axis_mm", "confidence", "distance_mm"),
    *("p_node", "p_node_positive", "p_positive"),
)


def numbers(patients, name: str) -> dict[str, np.ndarray]:
    """The columns of a patient's candidates that are numbers, each (n,)."""
    rows = patients.candidates(name)
    return {key: np.array([tables.number(row[key]) for row in rows], float) for key in _NUMBERS}


def _numbers(columns):
    return {
        "log_volume": np.log(np.maximum(columns["volume_mm3"], 1)),
        "short_axis_mm": columns["short_axis_mm"],
        "confidence": columns["confidence"],
        "logit_node": logit(columns["p_node"]),
        "logit_positive": logit(columns["p_node_positive"]),
        "logit_identified": logit(columns["p_positive"]),
        "distance_mm": columns["distance_mm"],
    }


def _tumor(views):
    """Size, and density and its spread in both phases, of the tumor without its edge."""
    mask = views["crop_mask"] > 0
    inner = ndimage.binary_erosion(mask)
    inside = views["crop"][:, inner if inner.sum() >= 4 else mask].astype(float)
    mean, sd = inside.mean(axis=1), inside.std(axis=1)
    return np.array([np.log(mask.sum()), mean[0], sd[0], mean[1], sd[1]])


def logit(probabilities: np.ndarray) -> np.ndarray:
    """Log odds of probabilities, within those of `CERTAIN`."""
    p = np.clip(probabilities, CERTAIN, 1 - CERTAIN)
    return np.log(p / (1 - p))
