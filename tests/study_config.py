"""Configs and studies that tests start from."""

import copy
import dataclasses
from pathlib import Path

import yaml

from nodestage.study.study import Sheet, build, load

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "config"


def study(config, **how):
    return load(config, CONFIG / "anatomy.yaml", **how)


def with_rows(config, change):
    """The study of the same sheet after `change(row)` has changed its rows in place."""
    made = study(copy.deepcopy(config))
    rows = list(made.patients.rows.values())
    for row in rows:
        change(row)
    return build(made.config, made.settings.anatomy, Sheet(rows, made.centers.entries))


def with_tables(folds, tables):
    """The same folds of a study with other tables {fold: {patient: subset}}."""
    changed = dataclasses.replace(folds)
    vars(changed)["tables"] = tables  # before the cached property reads or draws them
    return changed


DEFAULT = ("config/config.yaml", "config/simulator.yaml")


def laid(config, over):
    """`config` updated by `over`, branch by branch, as Snakemake does it."""
    found = dict(config)
    for key, value in over.items():
        branches = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = laid(found[key], value) if branches else value
    return found


def default_config(*names, **over):
    found = {}
    for name in (*DEFAULT, *names):
        found = laid(found, yaml.safe_load((ROOT / name).read_text(encoding="utf-8")))
    return laid(found, over)


def reversed_keys(value):
    """The same settings, each branch written in the reverse order."""
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(part) for part in value] if isinstance(value, list) else value


# A method of the user's own, as a file.
METHOD = "class Method:\n    fit = predict = None\n"

# Voxels (z, y, x) in mm of six discovery patients and an external one.
SPACINGS = [
    (2.0, 1.5, 1.5), (2.5, 1.6, 1.6), (3.0, 1.4, 1.4), (5.0, 1.9, 1.9), (2.5, 1.7, 1.7),
    (3.0, 1.8, 1.8),
]  # fmt: skip
EXTERNAL = (1.0, 0.9, 0.9)
