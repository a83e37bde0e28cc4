"""The first sentences of a page: whether the frozen model holds here."""

from dataclasses import dataclass

from markupsafe import Markup

from nodestage.core import reasons
from nodestage.report import fields, numbers
from nodestage.statistics import answer, independent, intervals, vocabulary

BASES = {"external": "ensemble", "discovery": "fold_mean"}
"""The estimate that heads a page: for discovery the mean of the folds, as in the paper."""


@dataclass(frozen=True)
class Headline:
    """A verdict (held, better, part, failed, few, open, undefined, own) and its sentences in HTML."""

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

    The words follow a fixed rule on the 95 % interval of the declared endpoint, on what guessing
    gives, and on the interval of the difference, here minus the cross-validated estimate of the
    discovery center (`statistics.independent`): `held` if the interval lies above guessing and the
    difference's above minus the margin declared before the run; `better than guessing` if no margin
    was declared, or it isn't excluded that the drop is larger; `worse than in discovery` if the whole
    difference lies below 0; `did not hold` if the interval lies below guessing; else it stays open.
    A wide interval that reaches the discovery center's estimate proves nothing, so it is the drop
    that can't be excluded which is told.

    Parameters
    ----------
    performance, discovery : Rows of performance.tsv of this center and of the discovery center
    primary : {method, metric} and, where one was declared, `margin`: the largest drop from the
        discovery center that would not matter
    """
    metric, method = primary["metric"], primary["method"]
    label = vocabulary.inside("metrics", metric)
    row = primary_row(performance, method, metric, role)
    margin = primary.get("margin")
    rule = _rule(metric, role, discovery is not None, margin)
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
        basis = vocabulary.terms()["bases"].get(row["basis"].text, row["basis"].text)
        return Headline(
            "own",
            Markup(
                "In {}, where the model was built, nested cross-validation gives {}: {}."
            ).format(center, figures, basis),
            rule,
            caution=_caution(row),
        )
    reference = None if discovery is None else primary_row(discovery, method, metric, "discovery")
    gap = None if reference is None else difference(row, reference)
    judged, words = _verdict(row, metric, gap, margin)
    verdict, words = _tempered(judged, words, row)
    colon = "" if words == GIVES else ":"
    sentence = Markup("In {} the frozen model {}{} {}.").format(center, words, colon, figures)
    if gap is not None:
        held = judged == "held"
        sentence += Markup(" {}").format(_drop(gap, reference, margin, digits, held))
    beside = ALONE if discovery is None else ""
    if reference is not None and reference["estimate"].defined:
        beside = _beside(reference, gap, digits)
    return Headline(verdict, sentence, rule, beside, _caution(row))


def difference(row, reference):
    """`independent.Difference` of two rows of performance.tsv, None where it is undefined."""
    ends = [tuple(r[key].number for key in ("estimate", "low", "high")) for r in (row, reference)]
    found, _ = answer(independent.difference, *ends)
    return found


def _beside(reference, gap, digits):
    """The discovery center's figures, and how far this center's lie from them."""
    theirs = numbers.digits_for(reference["n"].number)
    said = Markup(
        "In the discovery center, cross-validated: {} ({}), n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{}."
    ).format(
        numbers.show(reference["estimate"], theirs),
        numbers.interval_words(reference, digits=theirs),
        numbers.show_count(reference["n"]),
    )
    if gap is None:
        return said
    low, high = (numbers.fixed(value, digits) for value in (gap.low, gap.high))
    return said + Markup(
        " Here minus there {} (95\N{NO-BREAK SPACE}%\N{NO-BREAK SPACE}CI\N{NO-BREAK SPACE}{} to {})."
    ).format(numbers.fixed(gap.difference, digits), low, high)


def _drop(gap, reference, margin, digits, held):
    """A sentence on how far below the discovery center the model may be here."""
    there = numbers.show(reference["estimate"], digits)
    least, most = (numbers.fixed(-value, digits) for value in (gap.high, gap.low))
    declared = "" if margin is None else numbers.fixed(margin, digits)
    if gap.high < 0:
        within = f", within the declared margin of {declared}" if held else ""
        return Markup("The drop from the discovery center’s {} lies between {} and {}{}.").format(
            there, least, most, within
        )
    if held:
        return Markup(
            "A drop by more than the declared margin of {} from the discovery center’s {} is excluded."
        ).format(declared, there)
    if gap.low >= 0:
        return Markup("It did better here than in the discovery center ({}).").format(there)
    beyond = margin is not None and -gap.low >= margin
    return Markup("A drop of up to {} from the discovery center’s {} can’t be excluded{}.").format(
        most, there, f", more than the margin of {declared} that was declared" if beyond else ""
    )


def _few(row):
    """`2 positive patients`, if the smaller class is too small for its interval; else nothing."""
    n, positives = row["n"].number, row["positives"].number
    few = min(positives, n - positives)
    if not few < intervals.FEW:  # also where either is unknown
        return ""
    kind = "positive" if positives <= n - positives else "negative"
    return f"{few:.0f} {kind} {'patient' if few == 1 else 'patients'}"


def _tempered(verdict, words, row):
    """The verdict with its limits said in the same breath, where it rests on few patients."""
    few = _few(row)
    if not few or verdict not in ("held", "better", "part", "failed"):
        return verdict, words
    return "few", f"{words}, as far as {few} can show"


def _caution(row):
    """A sentence about cohorts in which the interval promises more than it holds."""
    few = _few(row)
    if not few:
        return ""
    narrow = "an interval from so few is narrower than it should be. "
    # This interval holds from a single patient on, wide as it is.
    if "by_mover" in reasons.codes_of(row.text("note")):
        narrow = "an interval from so few says little. "
    return f"Only {few}: {narrow}Read it as a first look, not as evidence."


GIVES = "gives"


def _verdict(row, metric, gap, margin):
    """(verdict, words between the model and its figures)."""
    low, high = row["low"].number, row["high"].number
    chance = vocabulary.terms()["chance"].get(metric)
    if low != low or high != high:
        return "open", "can’t be judged, for want of an interval"
    if intervals.collapsed(low, high):
        return "open", "can’t be judged, its interval having shrunk to a point"
    if chance is not None and high < chance:
        return "failed", "did not hold"
    if chance is not None and low <= chance:
        return "open", "has not been shown to do better than guessing"
    if gap is not None and margin is not None and gap.low > -margin:
        return "held", "held"
    worse = gap is not None and gap.high < 0
    if chance is None:
        return ("part", "did worse than in the discovery center") if worse else ("open", GIVES)
    if worse:
        return "part", "did better than guessing, but worse than in the discovery center"
    return "better", "did better than guessing"


ALONE = "Nothing stands beside it: the discovery center’s own figures don’t travel with the frozen model."
DROP = (
    "Whether the model is as good here as in the discovery center is another question: the drop that "
    "can’t be excluded is the lower end of the interval of here minus there, and with few patients "
    "it is large."
)


def _rule(metric, role, beside=True, margin=None):
    """How the headline's words are to be read.

    beside : whether the discovery center's figures are at hand
    """
    chance = vocabulary.terms()["chance"].get(metric)
    if role == "discovery":
        return (
            "The model was developed here, so this figure says how it does on patients held back "
            f"from each fold, not whether it travels. {fields.OVERLAP}"
        )
    said = []
    if chance is not None:
        said = [
            f"How to read this: “better than guessing” means that the whole 95 % interval lies above "
            f"{chance:.2f}, which is what guessing gives; “did not hold”, that it lies wholly below "
            f"it. An interval that includes {chance:.2f} leaves the question open: with few patients it "
            "often will, and that is not evidence that the model fails."
        ]
    if beside and margin is None:
        said += [
            f"{DROP} “Held” is said only where the largest drop that would not matter was declared "
            "before the run (statistics.primary.margin), which was not done here."
        ]
    elif beside:
        above = "the interval lies above guessing and " if chance is not None else ""
        said += [
            f"{DROP} “Held” means that {above}a drop by more than the margin of {margin:.2f}, which "
            "was declared before the run, is excluded."
        ]
    return " ".join(said)


def comparison(comparisons, primary):
    """One sentence on the declared comparison, in HTML."""
    rows = comparisons.where(metric=primary["metric"])
    pairs = [
        row
        for row in rows
        if {row.text("reference"), row.text("method")} == {primary["method"], primary["reference"]}
    ]
    ours = vocabulary.name("methods", primary["method"])
    other = vocabulary.name("methods", primary["reference"])
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
        vocabulary.name("methods", row.text("method")),
        vocabulary.name("methods", row.text("reference")),
        numbers.show(row["difference"], digits),
        numbers.interval_words(row, digits=digits),
        vocabulary.heads()[test].removeprefix("p, "),
        _equals(numbers.show_p(row[test]), row[test]),
        numbers.show_count(row["n"]),
    )


def _equals(shown, cell):
    return (
        shown
        if not cell.defined or cell.number < 0.001
        else Markup("=\N{NO-BREAK SPACE}{}").format(shown)
    )
