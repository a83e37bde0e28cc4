"""Agreement of repeated measurements: the intraclass correlation coefficient."""

from typing import NamedTuple

import numpy as np

from nodestage.statistics.undefined import UndefinedError


class Agreement(NamedTuple):
    """Intraclass correlation of each quantity, with its interval; NaN where it is undefined."""

    icc: np.ndarray
    low: np.ndarray
    high: np.ndarray


def icc_agreement(values: np.ndarray, level: float = 0.95) -> Agreement:
    """ICC(2,1): two-way random effects, absolute agreement, one measurement.

    Shrout and Fleiss, Psychol Bull 1979;86:420; its interval is that of ICC(A,1) in McGraw and Wong,
    Psychol Methods 1996;1:30 (Table 7), with Satterthwaite's degrees of freedom.

    Parameters
    ----------
    values : (patients, measurements, ...); each further axis holds other quantities
    level : of the interval, which holds for normal values

    Returns
    -------
    Agreement of arrays with the further axes; NaN where the patients don't differ at all. An estimate
    below 0 means that the measurements of a patient agree less than those of different patients.

    Raises
    ------
    UndefinedError : fewer than two patients or two measurements
    """
    from scipy.stats import f

    values = np.asarray(values, float)
    n, k = values.shape[:2]
    if n < 2 or k < 2:
        raise UndefinedError(f"{n} patients with {k} measurements each; two of both are needed")
    mean = values.mean((0, 1))
    of_patients, of_measurements = values.mean(1), values.mean(0)
    between = k * ((of_patients - mean) ** 2).sum(0) / (n - 1)
    columns = n * ((of_measurements - mean) ** 2).sum(0) / (k - 1)
    rest = values - of_patients[:, None] - of_measurements[None] + mean
    residual = (rest**2).sum((0, 1)) / ((n - 1) * (k - 1))

    # A constant leaves sums of squares of rounding errors alone.
    flat = np.sqrt(between) <= 1e-12 * np.maximum(np.abs(mean), np.finfo(float).tiny)
    with np.errstate(divide="ignore", invalid="ignore"):
        icc = (between - residual) / (between + (k - 1) * residual + k * (columns - residual) / n)
        a, b = k * icc / (n * (1 - icc)), 1 + k * icc * (n - 1) / (n * (1 - icc))
        df = (a * columns + b * residual) ** 2 / (
            (a * columns) ** 2 / (k - 1) + (b * residual) ** 2 / ((n - 1) * (k - 1))
        )
        others = k * columns + (k * n - k - n) * residual
        tail = (1 + level) / 2
        above = f.ppf(tail, n - 1, df)
        below = f.ppf(tail, df, n - 1)
        low = n * (between - above * residual) / (above * others + n * between)
        high = n * (below * between - residual) / (others + n * below * between)
    exact = ~flat & (residual == 0) & (columns == 0)  # measurements that are all the same
    parts = (np.where(flat, np.nan, np.where(exact, 1.0, part)) for part in (icc, low, high))
    return Agreement(*parts)
