"""Whether organ labels can be what they are called: their volumes, and which are missing."""

from functools import cache
from pathlib import Path

import numpy as np
import yaml


@cache
def limits():
    """`volume_ml`, `vessel_hu` and `needed` of plausible.yaml."""
    return yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


def organ_volumes(labels, known, spacing):
    """{structure: ml} of the structures that a label map shows.

    Parameters
    ----------
    labels : label map (z, y, x)
    known : {structure: id}, the `labels` of config/anatomy.yaml
    spacing : (z, y, x), mm
    """
    voxels = np.bincount(np.ravel(labels), minlength=max(known.values()) + 1)
    each = float(np.prod(spacing)) / 1000
    return {name: float(voxels[k]) * each for name, k in known.items() if voxels[k]}


def implausible(volumes):
    """[(structure, ml, minimum, maximum)] of the structures whose volume no adult has."""
    unlikely = []
    for name, (minimum, maximum) in limits()["volume_ml"].items():
        if name in volumes and not minimum <= volumes[name] <= maximum:
            unlikely.append((name, volumes[name], minimum, maximum))
    return unlikely
