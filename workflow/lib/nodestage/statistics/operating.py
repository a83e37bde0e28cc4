"""Rows of operating_point.tsv: what the threshold for a declared sensitivity gives.

The thresholds were chosen on V of each fold and frozen (`core.operating`). Here they are applied to test and
external patients, whose calls follow from the score alone.
"""

from dataclasses import replace

import numpy as np

from nodestage.core import operating
from nodestage.statistics import performance, rates

COLUMNS = ("target", "wanted", "threshold", *performance.COLUMNS)


def rows(scored, frozen, n=1000, seed=0):
    """Metrics of one method's calls at the operating point, on every basis that it has.

    Parameters
    ----------
    scored : cohort.Scored
    frozen : {fold0: {method: its frozen record}, ...}
    n : bootstrap resamples
    seed : int

    Returns
    -------
    list of dicts with `COLUMNS`, none where the method has no operating point. `threshold` is the mean of the
    folds' thresholds, which calls external patients; each test patient is called by its fold's.
    """
    points = [records[scored.method].get("operating_point") for records in frozen.values()]
    if not scored.ranked or not points or points[0] is None:
        return []
    cut, reason = operating.mean_threshold([records[scored.method] for records in frozen.values()])
    about = {"target": points[0]["metric"], "wanted": points[0]["wanted"], "threshold": cut}
    calls = replace(scored, call=_calls(scored, frozen, cut))
    made = []
    for row in performance.rows(calls, n, seed, rates.CALL_METRICS):
        notes = filter(None, [row["note"], reason])
        made.append(about | row | {"note": "; ".join(notes)})
    return made


def _calls(scored, frozen, cut):
    """0 or 1 of each patient (n,), NaN where there is no score or no threshold."""
    if scored.fold is None:
        cuts = np.full(len(scored.y), np.nan if cut is None else cut)
    else:
        by_fold = {
            fold: records[scored.method]["operating_point"]["threshold"]
            for fold, records in frozen.items()
        }
        cuts = np.array([by_fold.get(fold) for fold in scored.fold], float)
    known = ~np.isnan(cuts) & ~np.isnan(scored.score)
    return np.where(known, scored.score > cuts, np.nan)


__all__ = ["COLUMNS", "rows"]
