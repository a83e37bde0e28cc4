"""The radiomics signature: impute, scale, LASSO, logistic regression on the features that it keeps.

Everything is fitted on the training part of a fold alone. The state is plain numbers, so
that scoring needs NumPy and nothing else.
"""

import warnings
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from nodestage.methods.base import need_both_classes
from nodestage.methods.fusion.settings import over

CONSTANT = 1e-12  # standard deviation, relative to the feature's size


@cache
def _defaults():
    return yaml.safe_load(Path(__file__).with_name("defaults.yaml").read_text(encoding="utf-8"))


def settings_of(settings):
    """Settings of the signature: `settings` over defaults.yaml."""
    return over(_defaults(), settings)


def fit(values, labels, names, settings, seed):
    """Fit a signature.

    Parameters
    ----------
    values : (patients, features); NaN where missing
    labels : (patients,), 0 or 1
    names : the features' names
    settings : `alphas` (length of the LASSO path), `inner_folds`, `max_iter`, `C`
    seed : int, for the inner folds

    Returns
    -------
    dict of plain numbers: `features` (the selected), their `medians`, `means`, `sds`,
    `coefficients`, the `intercept`, LASSO's `alpha`, and a `note`, "" where all is well

    The score is the logistic regression's log odds, through `probability`. Where LASSO
    keeps nothing, the intercept alone remains: every patient gets the training prevalence.
    """
    values, labels = np.asarray(values, float), np.asarray(labels)
    need_both_classes(labels)
    medians, means, sds, kept = _scaler(values)
    scaled = _scale(values, medians, means, sds)[:, kept]
    alpha, chosen, note = _lasso(scaled, labels, settings, seed)
    note = note if len(names) else "no feature is robust (radiomics.robustness)"
    selected = np.flatnonzero(kept)[chosen]
    if len(selected):
        coefficients, intercept = _logistic(scaled[:, chosen], labels, settings)
        scores = scaled[:, chosen] @ coefficients + intercept
        if np.min(scores[labels == 1]) > np.max(scores[labels == 0]):
            note = "the training patients are separated without error"
    else:
        prevalence = labels.mean()
        coefficients, intercept = [], np.log(prevalence / (1 - prevalence))
        note = note or "LASSO kept no feature; the intercept alone remains"
    return {
        "features": [names[i] for i in selected],
        "medians": _plain(medians[selected]),
        "means": _plain(means[selected]),
        "sds": _plain(sds[selected]),
        "coefficients": _plain(coefficients),
        "intercept": float(intercept),
        "alpha": alpha,
        "note": note,
    }


def log_odds(state, features):
    """The signature of one patient, from {name: value}."""
    values = np.asarray([features[name] for name in state["features"]], float)
    scaled = _scale(values, *(np.asarray(state[key]) for key in ("medians", "means", "sds")))
    return float(scaled @ np.asarray(state["coefficients"]) + state["intercept"])


def probability(log_odds):
    """Probability of metastasis that belongs to a signature."""
    # Log odds of a tumor unlike all training tumors may overflow exp.
    return float(np.exp(-np.logaddexp(0, -log_odds)))


def stability(states, names):
    """How often each feature is chosen over the folds.

    Parameters
    ----------
    states : one signature a fold
    names : every feature that could have been chosen

    Returns
    -------
    rows {feature, folds_chosen, folds, mean_coefficient} of the features chosen at least
    once, the most frequent first; the coefficient is averaged over the folds that chose it
    """
    rows = []
    for name in names:
        coefficients = [
            s["coefficients"][s["features"].index(name)] for s in states if name in s["features"]
        ]
        if coefficients:
            rows.append(
                {
                    "feature": name,
                    "folds_chosen": len(coefficients),
                    "folds": len(states),
                    "mean_coefficient": float(np.mean(coefficients)),
                }
            )
    return sorted(rows, key=lambda row: (-row["folds_chosen"], row["feature"]))


def chosen(paths):
    """Stability of every signature in the models of a family, one model per fold.

    Parameters
    ----------
    paths : files that hold fitted families, see `methods.fit_family`

    Returns
    -------
    rows of `stability` with `method` in front; a fold whose signature could not be fitted is not
    among its `folds`
    """
    from nodestage.core import checkpoints

    signatures = {}
    for path in paths:
        # Only a few numbers are wanted: the networks of the family stay on the disk.
        for method, fitted in checkpoints.load(path, mmap=True)["methods"].items():
            state = fitted["state"] or {}
            state = state.get("signature", state)
            if {"features", "coefficients"} <= set(state):
                signatures.setdefault(method, []).append(state)
    return [
        {"method": method, **row}
        for method, states in signatures.items()
        for row in stability(states, dict.fromkeys(name for s in states for name in s["features"]))
    ]


def inner_folds(labels, wanted, seed):
    """Stratified folds, as many as `wanted` or as the smaller class has patients.

    Returns a list of (rest, held out) index pairs, or [] where a class has one patient.
    """
    from sklearn.model_selection import StratifiedKFold

    count = min(wanted, int(np.bincount(labels, minlength=2).min()))
    if count < 2:
        return []
    folds = StratifiedKFold(count, shuffle=True, random_state=seed % 2**32)
    return list(folds.split(np.zeros(len(labels)), labels))


def _scaler(values):
    """Medians, means and SDs of each feature, and which features vary at all."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # features missing in every patient
        medians = np.nan_to_num(np.nanmedian(values, axis=0))
    filled = np.where(np.isnan(values), medians, values)
    means, sds = filled.mean(axis=0), filled.std(axis=0)
    kept = sds > CONSTANT * np.maximum(1, np.abs(means))
    return medians, means, np.where(kept, sds, 1.0), kept


def _scale(values, medians, means, sds):
    return (np.where(np.isnan(values), medians, values) - means) / sds


def _lasso(scaled, labels, settings, seed):
    """The penalty by inner cross-validation, and the features that LASSO keeps with it."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LassoCV

    folds = inner_folds(labels, settings["inner_folds"], seed)
    if not folds:
        return None, np.empty(0, int), "a class has one training patient: no penalty can be chosen"
    if not scaled.shape[1]:
        return None, np.empty(0, int), "no feature varies among the training patients"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LassoCV(alphas=settings["alphas"], cv=folds, max_iter=settings["max_iter"])
        model.fit(scaled, labels.astype(float))
    return float(model.alpha_), np.flatnonzero(model.coef_), ""


def _logistic(scaled, labels, settings):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=settings["C"], max_iter=10_000)
    model.fit(scaled, labels)
    return model.coef_[0], model.intercept_[0]


def _plain(values):
    return [float(value) for value in values]
