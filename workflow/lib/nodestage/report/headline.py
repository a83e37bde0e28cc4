"""The first sentences of a page: whether the frozen model holds here."""

from dataclasses import dataclass

from markupsafe import Markup

from nodestage.core import reasons
from nodestage.report import fields, numbers
from nodestage.statistics import answer, independent, intervals, vocabulary

BASES = {"external": "ensemble", "discovery": "fold_mean"}
"""The estimate at the top of a page: for the discovery center the mean of the folds, as in the paper."""


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
        of_basis = rows.where(basis=basis)
        if of_basis:
            return of_basis[0]
    return rows[0] if rows else None


def headline(center, performance, primary, discovery=None):
    """The verdict on one center.

    The words follow a fixed rule on the 95 % interval of the declared endpoint, on the value of
    guessing, and on the interval of the difference, here minus the cross-validated estimate of the
    discovery center (`statistics.independent`): `held` if the interval lies above guessing and that
    of the difference above minus the margin declared before the run; `better than guessing` if no
    margin was declared, or a larger drop isn't excluded; `worse than in discovery` if the interval
    of the difference lies below 0; `did not hold` if the interval lies below guessing; else open.
    An interval that includes the discovery center's estimate doesn't show equality. So the sentence
    reports the largest drop that isn't excluded.

    Parameters
    ----------
    center : records.Center
    performance, discovery : Rows of performance.tsv of this center and of the discovery center
    primary : {method, metric} and, where one was declared, `margin`: the largest drop from the
        discovery center that would not matter
    """
    role, metric, method = center.role, primary["metric"], primary["method"]
    label = vocabulary.inside("metrics", metric)
    row = primary_row(performance, method, metric, role)
    margin = primary.get("margin")
    rule = _rule(metric, role, discovery is not None, margin)
    if row is None or not row["estimate"].defined:
        note = (row["note"].text if row is not None else "") or (
            performance.absent or f"{performance.name} has no row for this method."
        )
        sentence = Markup("In {} the question can’t be answered: {} is undefined. {}").format(
            center.name, label, note[:1].upper() + note[1:]
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
                "In {}, where the model was developed, nested cross-validation gives {}: {}."
            ).format(center.name, figures, basis),
            rule,
            caution=_caution(row),
        )
    reference = None if discovery is None else primary_row(discovery, method, metric, "discovery")
    gap = None if reference is None else difference(row, reference)
    judged, words = _verdict(row, metric, gap, margin)
    verdict, words = _tempered(judged, words, row)
    colon = "" if words == GIVES else ":"
    sentence = Markup("In {} the frozen model {}{} {}.").format(center.name, words, colon, figures)
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
    return answer(independent.difference, *ends)[0]


def _beside(reference, gap, digits):
    """The discovery center's figures, and the difference of this center's from them."""
    reference_digits = numbers.digits_for(reference["n"].number)
    sentence = Markup(
        "In the discovery center, cross-validated: {} ({}), n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{}."
    ).format(
        numbers.show(reference["estimate"], reference_digits),
        numbers.interval_words(reference, digits=reference_digits),
        numbers.show_count(reference["n"]),
    )
    if gap is None:
        return sentence
    low, high = (numbers.fixed(value, digits) for value in (gap.low, gap.high))
    return sentence + Markup(
        " Here minus there {} (95\N{NO-BREAK SPACE}%\N{NO-BREAK SPACE}CI\N{NO-BREAK SPACE}{} to {})."
    ).format(numbers.fixed(gap.difference, digits), low, high)


def _drop(gap, reference, margin, digits, held):
    """A sentence on the drop from the discovery center to this one."""
    there = numbers.show(reference["estimate"], digits)
    smallest, largest = (numbers.fixed(-value, digits) for value in (gap.high, gap.low))
    declared = "" if margin is None else numbers.fixed(margin, digits)
    if gap.high < 0:
        within = f", within the declared margin of {declared}" if held else ""
        return Markup("The drop from the discovery center’s {} lies between {} and {}{}.").format(
            there, smallest, largest, within
        )
    if held:
        return Markup(
            "A drop of more than the declared margin of {} from the discovery center’s {} is excluded."
        ).format(declared, there)
    if gap.low >= 0:
        return Markup("It performed better here than in the discovery center ({}).").format(there)
    beyond = margin is not None and -gap.low >= margin
    return Markup("A drop of up to {} from the discovery center’s {} can’t be excluded{}.").format(
        largest, there, f"; the declared margin is {declared}" if beyond else ""
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
    """The verdict with its limits in the same sentence, where there are few patients."""
    few = _few(row)
    if not few or verdict not in ("held", "better", "part", "failed"):
        return verdict, words
    return "few", f"{words} (based on {few})"


def _caution(row):
    """A sentence about cohorts whose interval is too narrow."""
    few = _few(row)
    if not few:
        return ""
    limits = "An interval from so few is narrower than it should be. "
    # This interval holds from a single patient on, wide as it is.
    if "by_mover" in reasons.codes_of(row.text("note")):
        limits = "An interval from so few is very wide. "
    return f"Only {few}. {limits}This is a first look, not evidence."


GIVES = "gives"


def _verdict(row, metric, gap, margin):
    """(verdict, words between the model and its figures)."""
    low, high = row["low"].number, row["high"].number
    chance = vocabulary.terms()["chance"].get(metric)
    if low != low or high != high:
        return "open", "can’t be judged without an interval"
    if intervals.collapsed(low, high):
        return "open", "can’t be judged because its interval has no width"
    if chance is not None and high < chance:
        return "failed", "did not hold"
    if chance is not None and low <= chance:
        return "open", "has not been shown to perform better than guessing"
    if gap is not None and margin is not None and gap.low > -margin:
        return "held", "held"
    worse = gap is not None and gap.high < 0
    if chance is None:
        return (
            ("part", "performed worse than in the discovery center") if worse else ("open", GIVES)
        )
    if worse:
        return "part", "performed better than guessing, but worse than in the discovery center"
    return "better", "performed better than guessing"


ALONE = "There is no comparison with the discovery center: its figures are not part of the frozen model."
DROP = (
    "Whether the model is as good here as in the discovery center is a separate question. The drop that "
    "can’t be excluded is the lower end of the interval of the difference, here minus there. With few "
    "patients it is large."
)


def _rule(metric, role, beside=True, margin=None):
    """How to read the headline.

    beside : whether the discovery center's figures are known
    """
    chance = vocabulary.terms()["chance"].get(metric)
    if role == "discovery":
        return (
            "The model was developed here. This figure is its performance on patients who were not used "
            f"for training in their fold; it is not an external validation. {fields.OVERLAP}"
        )
    sentences = []
    if chance is not None:
        sentences = [
            f"How to read this: “better than guessing” means that the whole 95 % interval lies above "
            f"{chance:.2f}, the value of guessing; “did not hold” means that it lies wholly below. An "
            f"interval that includes {chance:.2f} leaves the question open. This is common with few "
            "patients and is not evidence that the model fails."
        ]
    if beside and margin is None:
        sentences += [
            f"{DROP} The word “held” needs a margin, the largest drop that would not matter, declared "
            "before the run (statistics.primary.margin). None was declared here."
        ]
    elif beside:
        above = "the interval lies above guessing and " if chance is not None else ""
        sentences += [
            f"{DROP} “Held” means that {above}a drop of more than {margin:.2f}, the margin declared "
            "before the run, is excluded."
        ]
    return " ".join(sentences)


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
        why = comparisons.absent or "the table has no row for this pair."
        return Markup("The declared comparison, {} against {}, is undefined: {}").format(
            ours, other, why
        )
    row = pairs[0]
    if not row["difference"].defined:
        return Markup("The declared comparison, {} against {}, is undefined: {}").format(
            ours, other, row["note"].text or "no reason was recorded."
        )
    digits = numbers.digits_for(row["n"].number)
    test = row.text("holm_test") or "p_bootstrap"
    return Markup(
        "Declared comparison, {} minus {}: difference {} ({}), {} p\N{NO-BREAK SPACE}{}, on the {} "
        "patients that both methods scored."
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
