"""Tables of the reader study: radiologists alone, with the model's help, and beside the model."""

from dataclasses import dataclass

import numpy as np

from nodestage.cohort import readers
from nodestage.core import tables
from nodestage.statistics import intervals, mrmc, rates, roc
from nodestage.statistics.undefined import UndefinedError, answer

COLUMNS = (
    "reader",
    "condition",
    "metric",
    "estimate",
    "low",
    "high",
    "n",
    "positives",
    "readers",
    "note",
)
COMPARISON_COLUMNS = (
    "comparison",
    "reader",
    "metric",
    "first",
    "second",
    "difference",
    "low",
    "high",
    "df",
    "p_random",
    "fixed_low",
    "fixed_high",
    "p_fixed",
    "readers",
    "n",
    "positives",
    "note",
)
AVERAGE = "average"
CONDITIONS = {False: "without", True: "with"}
NO_CUT = "ratings without a declared cut (statistics.readers.positive_from) give no calls"
ONE = "one reader: the interval holds for this reader alone"


@dataclass(frozen=True)
class Readings:
    """What readers called or rated of the patients with a known status.

    Attributes
    ----------
    y : labels (patients,)
    values : {(reader, with the model): ratings or calls (patients,), NaN where there is none}
    rated : whether they are ratings
    cut : rating from which a patient is called positive; None where none is declared
    """

    y: np.ndarray
    values: dict[tuple[int, bool], np.ndarray]
    rated: bool
    cut: float | None

    @property
    def metrics(self):
        """The metrics that these readings have."""
        return mrmc.METRICS if self.rated else mrmc.METRICS[1:]

    def of(self, metric, readers_of, keep):
        """Values (readers, patients) that a metric is computed from."""
        if metric != "auc" and self.rated and self.cut is None:
            raise UndefinedError(NO_CUT)
        drawn = np.array([self.values[key][keep] for key in readers_of])
        if metric == "auc":
            return drawn
        return (drawn >= (self.cut if self.rated else 0.5)).astype(float)

    def readers(self, with_model):
        """Keys of the readers in one condition."""
        return [key for key in self.values if key[1] == with_model]

    def complete(self, keys):
        """The patients whom all these read, as a mask."""
        return ~np.isnan([self.values[key] for key in keys]).any(0)


def readings(patients, y, sheet_rows, settings=None):
    """The readings of some patients in the sample sheet.

    Parameters
    ----------
    patients : codes; y : their labels
    sheet_rows : rows with `patient` and columns of readers
    settings : {positive_from: rating}, or None

    Returns
    -------
    Readings, or None where the sheet has no reader or none read a patient here
    """
    rows = {row["patient"]: row for row in sheet_rows}
    columns = readers.columns(name for row in sheet_rows for name in row)
    values = {
        (c.reader, c.with_model): np.array([tables.number(rows[p].get(c.name)) for p in patients])
        for c in columns
    }
    values = {key: column for key, column in values.items() if np.isfinite(column).any()}
    if not values:
        return None
    cells = [row.get(column.name, "") for row in sheet_rows for column in columns]
    cut = (settings or {}).get("positive_from")
    return Readings(np.asarray(y, int), values, not readers.are_calls(cells), cut)


def both_tables(scored, sheet_rows, settings=None):
    """{"readers.tsv": rows, "reader_comparisons.tsv": rows} of one center; no rows without readers.

    Parameters
    ----------
    scored : cohort.Scored of the declared method, or None
    sheet_rows : rows of the center's patients
    settings : {positive_from: rating}, or None
    """
    read = readings(scored.patients, scored.y, sheet_rows, settings) if scored else None
    if read is None:
        return {"readers.tsv": [], "reader_comparisons.tsv": []}
    return {
        "readers.tsv": [row for with_model in CONDITIONS for row in _performance(read, with_model)],
        "reader_comparisons.tsv": [*_aided(read), *_beside(read, scored)],
    }


def _performance(read, with_model):
    """Each reader in one condition, and the average of all."""
    keys = read.readers(with_model)
    for metric in read.metrics:
        about = {"condition": CONDITIONS[with_model], "metric": metric}
        for key in keys:
            numbers, reason = answer(_single, read, key, metric)
            keep = read.complete([key])
            yield _row(COLUMNS, about, numbers, reader=key[0], **_size(read, keep, 1), note=reason)
        if len(keys) > 1:
            keep = read.complete(keys)
            numbers, reason = answer(_mean_of, read, keys, metric, keep)
            size = _size(read, keep, len(keys))
            yield _row(COLUMNS, about, numbers, reader=AVERAGE, **size, note=reason)


def _single(read, key, metric):
    """Estimate and interval of one reader."""
    keep = read.complete([key])
    y, (values,) = read.y[keep], read.of(metric, [key], keep)
    estimate = rates.estimate(y, values, metric)
    if metric == "auc":
        ends = roc.auc_ci(y, values)
    elif metric == "balanced_accuracy":
        tp, fp, tn, fn = rates.counts(y, values)
        ends = intervals.mover(tp, tp + fn, tn, tn + fp)
    else:
        ends = rates.exact_interval(*rates.shares(y, values)[metric])
    return {"estimate": estimate, "low": ends[0], "high": ends[1]}


def _mean_of(read, keys, metric, keep):
    """Mean of the readers of one condition; the interval holds for other readers too."""
    pair = mrmc.estimates(read.y[keep], read.of(metric, keys, keep), metric)
    average, reason = answer(mrmc.random_readers, *pair)
    if average is None:
        return {"estimate": float(pair[0].mean()), "note": reason}
    return {"estimate": average.mean, "low": max(average.low, 0.0), "high": min(average.high, 1.0)}


def _aided(read):
    """Readers with the model's help minus the same readers without it."""
    pairs = [(with_key, (with_key[0], False)) for with_key in read.readers(True)]
    pairs = [pair for pair in pairs if pair[1] in read.values]
    if not pairs:
        return
    keys = [key for side in zip(*pairs, strict=True) for key in side]
    first, second = list(range(len(pairs))), list(range(len(pairs), len(keys)))
    keep = read.complete(keys)
    for metric in read.metrics:

        def estimated(metric=metric):
            return mrmc.estimates(read.y[keep], read.of(metric, keys, keep), metric)

        names = [key[0] for key, _ in pairs]
        yield from _compared(
            estimated, (first, second), names, read, keep, ("with_minus_without", metric)
        )


def _beside(read, scored):
    """The declared method minus readers, without and with its help."""
    for with_model, condition in CONDITIONS.items():
        keys = read.readers(with_model)
        for metric in read.metrics if keys else ():
            if metric == "auc" and not scored.ranked:
                continue
            keep = read.complete(keys) & scored.known(metric)
            # Scores of the folds' models are not on one scale.
            strata = scored.fold[keep] if metric == "auc" and scored.fold is not None else None

            def estimated(metric=metric, keep=keep, keys=keys, strata=strata):
                values = np.vstack([scored.of(metric)[keep], read.of(metric, keys, keep)])
                return mrmc.estimates(read.y[keep], values, metric, strata)

            sides = ([0] * len(keys), list(range(1, len(keys) + 1)))
            names = [key[0] for key in keys]
            about = (f"model_minus_{condition}", metric)
            yield from _compared(estimated, sides, names, read, keep, about)


def _compared(estimated, sides, names, read, keep, about):
    """Rows of one comparison in one metric: the average of the readers, then each of them."""
    base = dict(zip(("comparison", "metric"), about, strict=True)) | {"note": ""}
    size = _size(read, keep, len(names))
    pair, reason = answer(estimated)
    if pair is None:
        yield _row(COMPARISON_COLUMNS, base, reader=AVERAGE, **size, note=reason)
        return
    values = pair[0]
    gaps, covariances = mrmc.differences(*pair, *sides)
    if len(names) > 1:
        notes = []
        numbers = {
            "first": float(values[sides[0]].mean()),
            "second": float(values[sides[1]].mean()),
            "difference": float(gaps.mean()),
        }
        for function, ends in (
            (mrmc.random_readers, ("low", "high", "p_random")),
            (mrmc.fixed_readers, ("fixed_low", "fixed_high", "p_fixed")),
        ):
            average, reason = answer(function, gaps, covariances)
            notes += [reason] if reason and reason not in notes else []
            if average is not None:
                numbers |= dict(
                    zip(ends, (average.low, average.high, average.p_value), strict=True)
                )
                if function is mrmc.random_readers and np.isfinite(average.df):
                    numbers["df"] = average.df
        numbers["note"] = "; ".join(notes)
        yield _row(COMPARISON_COLUMNS, base, numbers, reader=AVERAGE, **size)
    for index, name in enumerate(names):
        average, reason = answer(
            mrmc.fixed_readers, gaps[[index]], covariances[np.ix_([index], [index])]
        )
        numbers = {
            "first": float(values[sides[0][index]]),
            "second": float(values[sides[1][index]]),
            "difference": float(gaps[index]),
            "note": reason or (ONE if len(names) == 1 else ""),
        }
        if average is not None:
            numbers |= {"fixed_low": average.low, "fixed_high": average.high}
            numbers["p_fixed"] = average.p_value
        yield _row(COMPARISON_COLUMNS, base, numbers, reader=name, **(size | {"readers": 1}))


def _size(read, keep, count):
    return {"n": int(keep.sum()), "positives": int(read.y[keep].sum()), "readers": count}


def _row(columns, about, numbers=None, **more):
    """A row with all columns; a note of `numbers` stays unless `more` has one."""
    row = dict.fromkeys(columns) | about | (numbers or {})
    row |= {key: value for key, value in more.items() if key != "note" or value}
    return row | {"note": row.get("note") or ""}


__all__ = ["COLUMNS", "COMPARISON_COLUMNS", "Readings", "both_tables", "readings"]
