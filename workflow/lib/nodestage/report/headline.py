"""The first sentences of a page: does the frozen model hold here?"""

from dataclasses import dataclass

from markupsafe import Markup

from nodestage.figures import style
from nodestage.report import blocks, numbers

FEW = 10
"""Patients in the smaller class below which a page warns of its own intervals."""

BASES = {"external": "ensemble", "discovery": "fold_mean"}
"""The estimate that heads a page: for discovery the mean of the folds, as in the paper."""


@dataclass(frozen=True)
class Headline:
    """A verdict (held, part, failed, few, open, undefined, own) and its sentences in HTML."""

    verdict: str
    sentence: Markup
    rule: str
    beside: Markup | str = ""
    caution: str = ""


def primary_row(performance, method, metric, role):
    """The row of the declared endpoint; None if the table has none."""
    rows = performance.where(method=method, metric=metric)
    for basis in (BASES[role], "pooled", "ensemble", "fold_mean"):
        found = rows.where(basis=basis)
        if found:
            return found[0]
    return rows[0] if rows else None


def headline(center, role, performance, primary, discovery=None):
    """The verdict on one center.

    The words follow a fixed rule on the 95 % interval [low, high] of the declared endpoint, with
    `chance` what guessing gives and `reference` the cross-validated estimate of the discovery
    center: `held` if low > chance and high >= reference; `held only in part` if low > chance and
    high < reference; `did not hold` if high < chance; else it stays open.

    Parameters
    ----------
    performance, discovery : Rows of performance.tsv of this center and of the discovery center
    primary : {method, metric}
    """
    metric, method = primary["metric"], primary["method"]
    label = style.name("metrics", metric).replace("Balanced", "balanced")
    row = primary_row(performance, method, metric, role)
    rule = _rule(metric, role, beside=discovery is not None)
    if row is None or not row["estimate"].defined:
        note = (row["note"].text if row is not None else "") or (
            performance.absent or f"{performance.name} holds no row for this method."
        )
        sentence = Markup("In {} the question can’t be answered: {} is undefined. {}").format(
            center, label, note[:1].upper() + note[1:]
        )
        return Headline("undefined", sentence, rule)
    digits = numbers.digits_for(row["n"].number)
    figures = Markup(
        "{} {} ({}), n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{} ({}\N{NO-BREAK SPACE}positive)"
    ).format(
        label,
        numbers.show(row["estimate"], digits),
        numbers.interval_words(row, digits=digits),
        numbers.show_count(row["n"]),
        numbers.show_count(row["positives"]),
    )
    if role == "discovery":
        basis = style.words()["bases"].get(row["basis"].text, row["basis"].text)
        return Headline(
            "own",
            Markup(
                "In {}, where the model was built, nested cross-validation gives {}: {}."
            ).format(center, figures, basis),
            rule,
            caution=_caution(row),
        )
    reference = None if discovery is None else primary_row(discovery, method, metric, "discovery")
    verdict, words = _verdict(row, metric, reference)
    verdict, words = _tempered(verdict, words, row)
    sentence = Markup("In {} the frozen model {}: {}.").format(center, words, figures)
    beside = ALONE if discovery is None else ""
    if reference is not None and reference["estimate"].defined:
        digits = numbers.digits_for(reference["n"].number)
        beside = Markup(
            "In the discovery center, cross-validated: {} ({}), n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{}."
        ).format(
            numbers.show(reference["estimate"], digits),
            numbers.interval_words(reference, digits=digits),
            numbers.show_count(reference["n"]),
        )
    return Headline(verdict, sentence, rule, beside, _caution(row))


def _few(row):
    """`2 positive patients`, if the smaller class is too small for its interval; else nothing."""
    n, positives = row["n"].number, row["positives"].number
    few = min(positives, n - positives)
    if not few < FEW:  # also where either is unknown
        return ""
    kind = "positive" if positives <= n - positives else "negative"
    return f"{few:.0f} {kind} {'patient' if few == 1 else 'patients'}"


def _tempered(verdict, words, row):
    """The verdict with its limits said in the same breath, where it rests on few patients."""
    few = _few(row)
    if not few or verdict not in ("held", "part", "failed"):
        return verdict, words
    return "few", f"{words}, as far as {few} can show"


def _caution(row):
    """A sentence about cohorts in which the interval promises more than it holds."""
    few = _few(row)
    if not few:
        return ""
    return (
        f"Only {few}: an interval from so few is narrower than it should be. "
        "Read it as a first look, not as evidence."
    )


def _verdict(row, metric, reference):
    low, high = row["low"].number, row["high"].number
    chance = style.words()["chance"].get(metric)
    if low != low or high != high or chance is None:
        return "open", "can’t be judged, for want of an interval"
    if low == high:
        return "open", "can’t be judged, its interval having shrunk to a point"
    if low > chance:
        if reference is not None and reference["estimate"].number > high:
            return "part", "held only in part, better than guessing but below discovery"
        return "held", "held"
    if high < chance:
        return "failed", "did not hold"
    return "open", "has not been shown to hold"


DISCOVERY = (
    ", and reaches the discovery center’s estimate; “held only in part”, that it lies above it but "
    "ends below discovery"
)
ALONE = "Nothing stands beside it: the discovery center’s own figures don’t travel with the frozen model."


def _rule(metric, role, beside=True):
    chance = style.words()["chance"].get(metric)
    if role == "discovery" or chance is None:
        return (
            "The model was developed here, so this figure says how it does on patients held back "
            "from each fold, not whether it travels."
        )
    return (
        f"How to read this: “held” means that the whole 95 % interval lies above {chance:.2f}, which "
        f"is what guessing gives{DISCOVERY if beside else ''}; “did not hold”, that it lies wholly below "
        f"it. An interval that includes {chance:.2f} leaves the question open: with few patients it often "
        "will, and that is not evidence that the model fails."
    )


def comparison(comparisons, primary):
    """One sentence on the declared comparison, in HTML."""
    rows = comparisons.where(metric=primary["metric"])
    pairs = [
        row
        for row in rows
        if {row.text("reference"), row.text("method")} == {primary["method"], primary["reference"]}
    ]
    ours = style.name("methods", primary["method"])
    other = style.name("methods", primary["reference"])
    if not pairs:
        why = comparisons.absent or "the table holds no row for the pair."
        return Markup("The declared comparison, {} against {}, is undefined: {}").format(
            ours, other, why
        )
    row = pairs[0]
    if not row["difference"].defined:
        return Markup("The declared comparison, {} against {}, is undefined: {}").format(
            ours, other, row["note"].text or "no reason was given."
        )
    digits = numbers.digits_for(row["n"].number)
    test = row.text("holm_test") or "p_bootstrap"
    return Markup(
        "Declared comparison, {} minus {}: difference {} ({}), {} p\N{NO-BREAK SPACE}{}, on the {} "
        "patients that both could score."
    ).format(
        style.name("methods", row.text("method")),
        style.name("methods", row.text("reference")),
        numbers.show(row["difference"], digits),
        numbers.interval_words(row, digits=digits),
        blocks.HEADS[test].removeprefix("p, "),
        _equals(numbers.show_p(row[test]), row[test]),
        numbers.show_count(row["n"]),
    )


def _equals(shown, cell):
    return (
        shown
        if not cell.defined or cell.number < 0.001
        else Markup("=\N{NO-BREAK SPACE}{}").format(shown)
    )
