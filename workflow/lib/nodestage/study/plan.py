"""How many patients an external validation needs: `make plan ARGS="--prevalence 0.4 --auc 0.75"`.

Prints for each metric how many patients give a 95 % interval of the wanted width, if the model performs as
expected. `--expected results/statistics/CENTER` takes the expected values from a study's tables. About half
of all validations of that size get a wider interval.
"""

import argparse
import math
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from nodestage.core import tables
from nodestage.core.errors import InputError, reports_input_errors
from nodestage.statistics import sample_size, vocabulary
from nodestage.statistics.sample_size import Expected, Metric
from nodestage.statistics.undefined import answer

WIDTHS = {
    "auc": 0.1,
    "balanced_accuracy": 0.1,
    "sensitivity": 0.1,
    "specificity": 0.1,
    "observed_expected": 0.2,
    "slope": 0.2,
    "net_benefit": 0.2,
}
"""Widths recommended by Riley and others (2021), and 0.1 for shares of patients."""

SHARES = {
    "prevalence": "share of patients with metastasis",
    "auc": "expected AUC, between 0.5 and 1",
    "sensitivity": "expected, at the frozen threshold",
    "specificity": "expected, at the frozen threshold",
    "risk-threshold": "probability from which one would act, for net benefit",
}
NUMBERS = {
    "ratio": "expected observed over expected positives; 1 unless given",
    "slope": "expected calibration slope; 1 unless given",
    "lp-mean": "mean of the logit of the probability, with --lp-sd",
    "lp-sd": "its standard deviation",
}
"""Options of the command, with their help."""

FROM_TABLE = ("auc", "sensitivity", "specificity")
BASES = ("fold_mean", "ensemble", "pooled")


@dataclass(frozen=True)
class Line:
    """One metric's number of patients.

    Attributes
    ----------
    metric : with the expected value
    wanted : width of the interval
    patients, positives : needed for that width; None where no number is enough
    with_asked : width to expect with the number of patients of `--patients`, or None
    reason : why there is no number
    """

    metric: Metric
    wanted: float
    patients: int | None
    positives: int | None
    with_asked: float | None
    reason: str = ""


@reports_input_errors
def main(arguments: list[str] | None = None) -> int:
    """Print a plan; the exit status."""
    options = _parser().parse_args(arguments)
    if options.more:
        options = _parser().parse_args(_words(options.more))
    expected = _expected(options)
    lines = plan(expected, _widths(options.width), options.patients)
    print("\n".join(printed(expected, lines, options.patients)))
    return 0


def plan(expected: Expected, widths: dict[str, float], patients: int | None = None) -> list[Line]:
    """One line per metric that the expectations allow.

    Parameters
    ----------
    expected : what the model is expected to do in the new hospital
    widths : {metric: width of its interval}, for each of `WIDTHS`
    patients : a number whose widths are wanted too, or None

    Raises
    ------
    InputError where an expectation is impossible
    """
    metrics, reason = answer(sample_size.metrics, expected)
    if reason:
        raise InputError(f"No plan: {reason}.")
    lines = []
    for metric in metrics:
        n, reason = answer(sample_size.fewest, metric.width_of, widths[metric.name])
        lines.append(
            Line(
                metric,
                widths[metric.name],
                n,
                None if n is None else math.ceil(n * expected.prevalence),
                None if patients is None else metric.width_of(patients),
                reason,
            )
        )
    return lines


def printed(expected: Expected, lines: list[Line], patients: int | None = None) -> list[str]:
    """The plan as text."""
    heads = ["95 % interval of", "expected", "width", "patients", "positive"]
    heads += [] if patients is None else [f"width with {patients:,}"]
    rows = []
    for line in lines:
        row = [
            vocabulary.name("planned", line.metric.name),
            f"{line.metric.expected:.2f}",
            f"{line.wanted:.2f}",
            line.reason if line.patients is None else f"{line.patients:,}",
            "" if line.positives is None else f"{line.positives:,}",
        ]
        rows.append(row + ([] if line.with_asked is None else [f"{line.with_asked:.2f}"]))
    known = [line for line in lines if line.patients is not None]
    text = [f"Expected prevalence of metastasis: {expected.prevalence:.3f}", ""]
    text += _columns([heads, *rows])
    if known:
        most = max(known, key=lambda line: line.patients or 0)
        name = vocabulary.inside("planned", most.metric.name)
        text += [
            "",
            f"For all of them together: {most.patients:,} patients, {most.positives:,} of them positive; "
            f"{name} needs most.",
        ]
    text += [
        "A width to expect: about half of the validations of that size have a wider interval. Formulas and",
        "their comparison with published examples: docs/statistics.md.",
    ]
    if "slope" in {line.metric.name for line in lines} and expected.linear_predictor is None:
        text += [
            "The slope is that of a calibrated model with this AUC. If you know mean and SD of the logit of its",
            "probabilities, give --lp-mean and --lp-sd.",
        ]
    return text


def from_table(folder: str | Path, method: str) -> dict[str, float]:
    """What a center's performance.tsv has of a method: prevalence, AUC, sensitivity, specificity.

    Raises
    ------
    InputError where there is no such table or method
    """
    path = Path(folder, "performance.tsv")
    if not path.is_file():
        raise InputError(
            f"There is no performance.tsv in {folder}. Give a center's folder, such as my_study/results/statistics/CENTER."
        )
    rows = [row for row in tables.read(path) if row["method"] == method]
    if not rows:
        names = ", ".join(dict.fromkeys(row["method"] for row in tables.read(path)))
        raise InputError(
            f"{path} has no method {method!r}. It has {names}: name one with --method."
        )
    basis = next(basis for basis in BASES if any(row["basis"] == basis for row in rows))
    known = {row["metric"]: row for row in rows if row["basis"] == basis}
    values = {
        metric: tables.number(known[metric]["estimate"])
        for metric in FROM_TABLE
        if metric in known and known[metric]["estimate"]
    }
    patients, positives = (tables.number(rows[0][key]) for key in ("n", "positives"))
    return values | ({"prevalence": positives / patients} if patients else {})


def _expected(options) -> Expected:
    values = from_table(options.expected, options.method) if options.expected else {}
    named = ("prevalence", *FROM_TABLE, "risk_threshold", "ratio", "slope")
    values |= {key: getattr(options, key) for key in named if getattr(options, key) is not None}
    if "prevalence" not in values:
        raise InputError(
            "Name the share of patients with metastasis that you expect: --prevalence 0.4 "
            "(or --expected and the folder of a center's tables)."
        )
    if (options.lp_mean is None) != (options.lp_sd is None):
        raise InputError("--lp-mean and --lp-sd belong together: give both or neither.")
    if options.patients is not None and options.patients < 1:
        raise InputError("--patients must be 1 or more.")
    predictor = None if options.lp_mean is None else (options.lp_mean, options.lp_sd)
    return Expected(**values, linear_predictor=predictor)


def _widths(texts: list[str]) -> dict[str, float]:
    """`WIDTHS`, replaced by those written as `metric=width`."""
    widths = dict(WIDTHS)
    for text in texts:
        name, _, value = text.partition("=")
        try:
            width = float(value)
        except ValueError:
            width = 0.0
        if name not in widths or not 0 < width < math.inf:
            raise InputError(
                f"--width {text!r}: write a metric and a width above 0, such as auc=0.15. Metrics: {', '.join(WIDTHS)}."
            )
        widths[name] = width
    return widths


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise InputError(f"ARGS can't be read ({error}): close its quotes.") from error


def _columns(rows: list[list[str]]) -> list[str]:
    """Rows as text, the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make plan", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, words in SHARES.items():
        parser.add_argument(f"--{name}", type=float, metavar="SHARE", help=words)
    for name, words in NUMBERS.items():
        parser.add_argument(f"--{name}", type=float, metavar="NUMBER", help=words)
    parser.add_argument(
        "--expected", metavar="FOLDER", help="a center's tables, results/statistics/CENTER"
    )
    parser.add_argument("--method", default="combined", help="whose figures are taken from there")
    parser.add_argument(
        "--width",
        action="append",
        default=[],
        metavar="METRIC=WIDTH",
        help="width of an interval, instead of "
        + ", ".join(f"{name}={width:g}" for name, width in WIDTHS.items()),
    )
    parser.add_argument(
        "--patients", type=int, help="also the widths to expect with this number of patients"
    )
    parser.add_argument("--more", default="", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
