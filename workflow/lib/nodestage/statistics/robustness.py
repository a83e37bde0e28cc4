"""Which radiomics features withstand small changes of mask and images, by their ICC in a fold's training patients."""

from statistics import median

import numpy as np

from nodestage.core import tables
from nodestage.statistics.agreement import icc_agreement

COLUMNS = ("phase", "feature", "icc", "low", "high", "patients", "kept", "note")

MIN_PATIENTS = 3
"""Below this the ICC is not informative, and no feature is taken out."""

SUMMARY_COLUMNS = (
    "group",
    "level",
    "features",
    "kept_min",
    "kept_max",
    "kept_always",
    "median_icc",
    "folds",
    "patients",
)


def rows(values, minimum):
    """ICC of every feature, and whether LASSO may choose it.

    Parameters
    ----------
    values : {patient: {change: {"<phase>_<feature>": value}}} of training patients of one fold
    minimum : the smallest ICC of a feature that is kept

    Returns
    -------
    rows of `COLUMNS`, in the features' order; a feature that is the same in all patients has no
    ICC and isn't kept. With fewer than `MIN_PATIENTS` patients every feature is kept, with a note;
    without any patient there are no rows
    """
    if not values:
        return []
    first = next(iter(values.values()))
    names, changes = list(next(iter(first.values()))), list(first)
    about = {"patients": len(values)}
    if len(values) < MIN_PATIENTS:
        note = f"{len(values)} patients with features, {MIN_PATIENTS} are needed: not filtered"
        return [_row(name, about | {"kept": True, "note": note}) for name in names]
    table = np.array(
        [[[of[c][name] for name in names] for c in changes] for of in values.values()], float
    )
    made = []
    for name, *icc_of_feature in zip(names, *icc_agreement(table), strict=True):
        icc, low, high = (None if np.isnan(value) else float(value) for value in icc_of_feature)
        made.append(
            _row(
                name,
                about
                | {"icc": icc, "low": low, "high": high, "kept": icc is not None and icc >= minimum}
                | {"note": "the same in all patients" if icc is None else ""},
            )
        )
    return made


def _row(name, values):
    phase, _, feature = name.partition("_")
    return dict.fromkeys(COLUMNS) | {"phase": phase, "feature": feature} | values


def summary(folds):
    """How many features are kept: of all, by phase, by kind of image, and by class of feature.

    Parameters
    ----------
    folds : {fold: rows as `rows` gives them, or as they are read back}

    Returns
    -------
    rows of `SUMMARY_COLUMNS`: fewest and most features kept in a fold, those kept in every fold, the
    median ICC over features and folds, and the fewest patients of a fold; none without folds
    """
    folds = {fold: rows for fold, rows in folds.items() if rows}
    if not folds:
        return []
    by_fold = [{(r["phase"], r["feature"]): r for r in rows} for rows in folds.values()]
    patients = min(int(rows[0]["patients"]) for rows in folds.values())
    groups: dict[tuple[str, str], list] = {}
    for key in by_fold[0]:
        for group in _groups(*key):
            groups.setdefault(group, []).append(key)
    order = ("all", "phase", "image", "class")
    made = []
    for (group, level), keys in sorted(groups.items(), key=lambda item: order.index(item[0][0])):
        is_kept = [[str(of[key]["kept"]) in ("1", "True") for key in keys] for of in by_fold]
        iccs = [tables.number(of[key]["icc"]) for of in by_fold for key in keys]
        known = [value for value in iccs if not np.isnan(value)]
        counts = [sum(one) for one in is_kept]
        made.append(
            {
                "group": group,
                "level": level,
                "features": len(keys),
                "kept_min": min(counts),
                "kept_max": max(counts),
                "kept_always": sum(all(one) for one in zip(*is_kept, strict=True)),
                "median_icc": median(known) if known else None,
                "folds": len(by_fold),
                "patients": patients,
            }
        )
    return made


def _groups(phase, feature):
    """(group, level) of each group that a feature is in: PyRadiomics names it image_class_name."""
    image, kind, _ = feature.split("_", 2)
    kinds = ("wavelet", "log-sigma")
    image = next((name for name in kinds if image.startswith(name)), image)
    return (("all", "all features"), ("phase", phase), ("image", image), ("class", kind))
