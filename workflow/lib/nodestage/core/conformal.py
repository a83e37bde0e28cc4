"""Conformal sets: which statuses are compatible with a patient's probability, from V alone.

Each fold keeps the calibrated probabilities of its validation patients, by class. A status is in a
patient's set at coverage 1 - a where its p-value is above a: the share of validation patients (and the
patient) whose probability disagrees with their true status at least as much. Where the set isn't a single status,
one abstains.

Guaranteed: if a patient and the validation patients of a fold are exchangeable, the set of that fold
holds the true status with probability 1 - a at least, over the draw of both; with `by_class` in either
class (Vovk 2012). For an external patient the counts of the K folds are added (cross-conformal, Vovk
2015). Twice a mean of p-values is a p-value (Vovk and Wang 2020), so with N validation patients in all
the guarantee is 1 - 2 (a (N + 1) + K - 1) / (N + K), not far from 1 - 2a; in simulation these sets hold the
true status more often than 1 - a.

Not guaranteed: the coverage for one patient, for one validation part, in a subgroup, for those
decided; and anything in a hospital whose patients or scanners differ. Nor is V quite exchangeable with
test patients: a network's epoch and calibration were chosen on it.
"""

import numpy as np

CLASSES = ("negative", "positive")


def frozen(y, probability):
    """What a fold's bundle holds of one method: {negative, positive}, sorted probabilities of V.

    Parameters
    ----------
    y : labels (n,), 0 or 1
    probability : calibrated (n,)
    """
    y, probability = np.asarray(y, bool), np.asarray(probability, float)
    return {
        name: sorted(float(p) for p in probability[y == bool(label)])
        for label, name in enumerate(CLASSES)
    }


def p_values(records, probabilities, by_class=True):
    """p-value of either status for each patient, from one fold or from several together.

    Parameters
    ----------
    records : list of what each fold keeps, see `frozen`
    probabilities : list of calibrated probabilities (n,), by the same folds; NaN in any gives NaN
    by_class : compare with the validation patients of that status alone (Mondrian), or with all

    Returns
    -------
    float array (n, 2), negative and positive
    """
    as_extreme, total = 0, np.zeros(2)
    for record, of_fold in zip(records, probabilities, strict=True):
        counts, others = _counts(record, np.asarray(of_fold, float), by_class)
        as_extreme, total = as_extreme + counts, total + others
    return (as_extreme + 1) / (total + 1)


def _counts(record, probability, by_class):
    """How many validation patients disagree with their status at least as much (n, 2), of how many (2,)."""
    against = np.asarray(record[CLASSES[0]], float), 1 - np.asarray(record[CLASSES[1]], float)
    counts, total = np.empty((len(probability), 2)), np.empty(2)
    for label in (0, 1):
        nonconformity = 1 - probability if label else probability
        others = against[label] if by_class else np.concatenate(against)
        # Calibration rounds: equal probabilities must count as equal.
        counts[:, label] = (others[None, :] >= nonconformity[:, None] - 1e-12).sum(1)
        total[label] = len(others)
    counts[np.isnan(probability)] = np.nan
    return counts, total


def sets(p, coverage):
    """Which statuses are in each patient's set: bool array (n, 2), negative and positive.

    Parameters
    ----------
    p : p-values (n, 2)
    coverage : wanted, between 0 and 1
    """
    # A p-value is a share of counts: on the limit it must fall on the same side on every machine.
    return np.asarray(p) > 1 - coverage + 1e-12


__all__ = ["CLASSES", "frozen", "p_values", "sets"]
