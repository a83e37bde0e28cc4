"""Methods beside an oracle with access to the laws and the cues behind a simulated patient."""

from nodestage.statistics import cohort, intervals, roc
from nodestage.statistics.undefined import answer

CUES = ("tumor", "nodes", "both")
COLUMNS = (
    "method",
    "n",
    "positives",
    "auc",
    "low",
    "high",
    "difference",
    "difference_low",
    "difference_high",
    "p_delong",
    "note",
)


def rows(predictions, role, sheet_rows, knowledge, settings=None, ceiling=None):
    """What an oracle reaches, and how far behind it each method stays.

    The oracle's score is the log likelihood ratio of the status from the tumor's cue, the nodes'
    or both. AUCs of the discovery center are means over the folds, those of an external one over
    its patients; intervals and tests are DeLong's.

    Parameters
    ----------
    predictions : {method: {fold0: rows, ..., ensemble: rows}}
    role : discovery or external
    sheet_rows : the sheet's rows of the center
    knowledge : {patient: {tumor, nodes, both}}, log likelihood ratios
    settings : see `cohort.scored`
    ceiling : AUC that the paper's rule for nodes reaches under the simulator's laws if every node
        is segmented and none is false (`simulator.ceiling`); None leaves its row out

    Returns
    -------
    list of dicts with `COLUMNS`: three rows of the oracle (`oracle_tumor`, ...), that of the
    ceiling (`ceiling_nodes`), then one of each method that ranks, on the patients that it scores; `difference` is its AUC minus that of
    the oracle with both cues
    """
    scored = [
        cohort.scored(method, parts, role, sheet_rows, settings)
        for method, parts in predictions.items()
    ]
    scored = [one for one in scored if one.ranked]
    lines = []
    for cue in CUES if scored else ():
        first = scored[0]
        known = [knowledge[patient][cue] for patient in first.patients]
        lines.append(_row(f"oracle_{cue}", first.y, known, first.fold))
    if scored and ceiling is not None:
        lines.append(
            dict.fromkeys(COLUMNS) | {"method": "ceiling_nodes", "auc": ceiling, "note": ""}
        )
    for one in scored:
        one = one.only(one.known("auc"))
        both = [knowledge[patient]["both"] for patient in one.patients]
        row = _row(one.method, one.y, one.score, one.fold)
        lines.append(row if row["auc"] is None else row | _behind(one.y, one.score, both, one.fold))
    return lines


def _row(method, y, score, fold):
    row = dict.fromkeys(COLUMNS) | {"method": method, "n": len(y), "positives": int(sum(y))}
    interval, reason = answer(roc.auc_ci, y, score, strata=fold)
    if reason:
        return row | {"note": reason}
    area = roc.delong_test(y, score, score, fold).auc_a
    low, high, note = _ends(interval)
    return row | {"auc": area, "low": low, "high": high, "note": note}


def _behind(y, score, oracle, fold):
    """The difference to the oracle with its interval and test."""
    test, reason = answer(roc.delong_test, y, score, oracle, fold)
    if reason:
        return {"note": reason}
    low, high, note = _ends(roc.difference_ci(y, score, oracle, strata=fold))
    return {
        "difference": test.auc_a - test.auc_b,
        "difference_low": low,
        "difference_high": high,
        "p_delong": test.p_value,
        "note": note,
    }


def _ends(interval):
    """(low, high, ""), or why an interval without width is none."""
    ends, reason = answer(intervals.wide, interval, "no interval: DeLong’s variance is 0")
    return *(ends or (None, None)), reason
