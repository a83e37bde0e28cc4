"""Detection of lymph nodes: recall by size and station, false positives by location, FROC.

Nodes of one patient are not independent, so every interval resamples whole patients, and all
variants of the same patients share the resamples. A difference is attention minus the row's
variant, on the same patients; its interval is a paired one.
"""

import numpy as np

from nodestage.metrics import detection
from nodestage.statistics.bootstrap import copies_of, interval
from nodestage.statistics.intervals import undefined_share
from nodestage.statistics.undefined import answer

GROUPS = ("short_axis", "class", "station")
ANYWHERE = "anywhere"
FALSE_POSITIVES = (0.5, 1, 2, 4, 8)
"""False positives per patient at which recall is read from the FROC curve."""

_GAP = ("difference", "difference_low", "difference_high")
RECALL_COLUMNS = (
    "variant",
    "by",
    "group",
    "n",
    "found",
    "recall",
    "low",
    "high",
    *_GAP,
    "patients",
    "note",
)
PLACE_COLUMNS = ("variant", "place", "n", "per_patient", "low", "high", *_GAP, "patients", "note")
FROC_COLUMNS = ("variant", "threshold", "false_positives_per_patient", "recall")
FROC_AT_COLUMNS = (
    "variant",
    "allowed",
    "recall",
    "low",
    "high",
    *_GAP,
    "false_positives_per_patient",
    "threshold",
    "nodes",
    "patients",
    "note",
)


def detection_tables(nodes, candidates, patients, reference="attention", n=1000, seed=0):
    """How many nodes each variant finds, and where its false positives lie.

    Parameters
    ----------
    nodes, candidates : rows of `metrics.evaluate_lymph_nodes` with patient and variant
    patients : {variant: codes of the evaluated patients}, those without any node too
    reference : the variant with which the others are compared
    n, seed : bootstrap

    Returns
    -------
    {"node_recall.tsv", "false_positives.tsv", "froc.tsv", "froc_at.tsv": rows}
    """
    tables_of = {
        "node_recall.tsv": [],
        "false_positives.tsv": [],
        "froc.tsv": [],
        "froc_at.tsv": [],
    }
    parts = {
        variant: _Part(
            {code: i for i, code in enumerate(sorted(codes))},
            [row for row in nodes if row["variant"] == variant],
            [row for row in candidates if row["variant"] == variant],
            # Of the same patients, in the same order, every variant has the same resamples.
            copies_of(np.random.default_rng(seed), n, len(codes)),
        )
        for variant, codes in patients.items()
    }
    same = {v for v, codes in patients.items() if set(codes) == set(patients.get(reference, ()))}
    for variant, part in parts.items():
        other = parts[reference] if variant != reference and variant in same else None
        about, size = {"variant": variant}, {"patients": len(patients[variant])}
        tables_of["node_recall.tsv"] += [about | row | size for row in _recall(part, other)]
        tables_of["false_positives.tsv"] += [about | row | size for row in _places(part, other)]
        tables_of["froc.tsv"] += [
            about | point
            for point in detection.froc(part.candidates, len(part.nodes), size["patients"])
        ]
        tables_of["froc_at.tsv"] += [about | row | size for row in _recall_at(part, other)]
    return tables_of


class _Part:
    """One variant's rows, each with its patient's index in the resamples."""

    def __init__(self, index_of, nodes, candidates, copies):
        self.nodes, self.candidates, self.copies = nodes, candidates, copies
        self.of_nodes = np.array([index_of[row["patient"]] for row in nodes], int)
        self.of_candidates = np.array([index_of[row["patient"]] for row in candidates], int)
        self.is_found = np.array([int(row["found"]) for row in nodes], float)

    def recall(self, chosen):
        """(recall, its resamples) among chosen nodes; NaN where there is none."""
        weights = self.copies[:, self.of_nodes[chosen]]
        with np.errstate(invalid="ignore"):
            drawn = weights @ self.is_found[chosen] / weights.sum(1)
        return (float(self.is_found[chosen].mean()) if chosen.any() else np.nan), drawn

    def per_patient(self, chosen):
        """(chosen candidates per patient, its resamples)."""
        patients = self.copies.shape[1]
        counts = np.bincount(self.of_candidates[chosen], minlength=patients)
        return counts.sum() / patients, self.copies @ counts.astype(float) / patients


def _recall(part, other):
    for by in GROUPS:
        for row in detection.recall_by(part.nodes, by):
            # The same true nodes stand in every variant's rows, in the same groups.
            values = [
                p.recall(
                    np.array([detection.group_of(r, by) == row["group"] for r in p.nodes], bool)
                )
                for p in (part, other)
                if p is not None
            ]
            yield {"by": by} | row | _intervals(values)


def _places(part, other):
    listed = detection.false_positives_by_place(part.candidates, part.copies.shape[1])
    total = sum(row["n"] for row in listed)
    listed.append(
        {"place": ANYWHERE, "n": total, "per_patient": total / part.copies.shape[1]},
    )
    for row in listed:
        values = [
            p.per_patient(np.array([_lies(c, row["place"]) for c in p.candidates], bool))
            for p in (part, other)
            if p is not None
        ]
        yield row | _intervals(values)


def _lies(candidate, place):
    if candidate["node"] not in (None, ""):
        return False
    return place in (ANYWHERE, candidate["place"] or "unknown")


def _recall_at(part, other):
    curves = [_Curve(p) for p in (part, other) if p is not None]
    for allowed in FALSE_POSITIVES:
        points = [curve.at(allowed) for curve in curves]
        recall, _, wrong, threshold = points[0]
        intervals_at = _intervals([point[:2] for point in points])
        if wrong is not None and threshold == curves[0].last:
            spent = f"all candidates together make {wrong:.3g} false positives per patient"
            intervals_at["note"] = "; ".join(filter(None, (intervals_at["note"], spent)))
        yield {
            "allowed": allowed,
            "recall": None if np.isnan(recall) else recall,
            **intervals_at,
            "false_positives_per_patient": wrong,
            "threshold": threshold,
            "nodes": len(part.nodes),
        }


class _Curve:
    """FROC of one variant and of all its resamples: the candidates enter by falling confidence."""

    def __init__(self, part):
        level = np.array([detection.confidence_of(row) for row in part.candidates], float)
        order = np.argsort(-level, kind="stable")
        self.level = level[order]
        hit = np.array([row["node"] not in (None, "") for row in part.candidates], bool)[order]
        self.ends = np.flatnonzero(np.append(self.level[1:] != self.level[:-1], True)[: len(level)])
        weights = np.vstack([np.ones(part.copies.shape[1], np.float32), part.copies])
        nodes = weights[:, part.of_nodes].sum(1, dtype=float)
        candidate_copies = weights[:, part.of_candidates[order]]
        self.wrong = (
            np.cumsum(candidate_copies * ~hit, 1, float)[:, self.ends] / part.copies.shape[1]
        )
        with np.errstate(invalid="ignore"):
            self.recall = np.cumsum(candidate_copies * hit, 1, float)[:, self.ends] / nodes[:, None]
        self.empty = np.where(nodes > 0, 0.0, np.nan)

    @property
    def last(self):
        """The threshold with which every candidate counts."""
        return self._threshold(len(self.ends) - 1) if len(self.ends) else None

    def at(self, allowed):
        """(recall, its resamples, false positives per patient, threshold) within `allowed`."""
        # Both rise together, so the last point that is still allowed has the highest recall.
        number = (self.wrong <= allowed + 1e-9).sum(1)
        recall = self.empty.copy()
        some = number > 0
        recall[some] = self.recall[some, number[some] - 1]
        if not number[0]:
            return float(recall[0]), recall[1:], 0.0 if len(self.ends) else None, None
        point = number[0] - 1
        return float(recall[0]), recall[1:], float(self.wrong[0, point]), self._threshold(point)

    def _threshold(self, point):
        level = self.level[self.ends[point]]
        return float(level) if np.isfinite(level) else None


def _intervals(values):
    """Ends of a value's interval, and the paired difference from it where there is another.

    values : [(value, resamples)] of this variant and, optionally, of the reference
    """
    (value, drawn), *others = values
    row = dict.fromkeys(("low", "high", *_GAP))
    if np.isnan(value):
        return row | {"note": "no node in this group"}
    row["low"], row["high"], note = _ends(drawn)
    for theirs, resamples in others:
        gap = resamples - drawn
        row["difference"] = theirs - value
        row["difference_low"], row["difference_high"], _ = _ends(gap)
    return row | {"note": note}


def _ends(drawn):
    ends, reason = answer(interval, drawn)
    return *(ends or (None, None)), reason or undefined_share(drawn)
