"""Tables of a page, from rows of the statistics, ready for the templates."""

import string

from markupsafe import Markup

from nodestage.core import reasons
from nodestage.core.names import MAIN_METRICS
from nodestage.report import numbers
from nodestage.report.sources import Cell
from nodestage.statistics import vocabulary
from nodestage.statistics.intervals import collapsed

TEXT_COLUMNS = {
    "patient",
    "center",
    "instance",
    "characteristic",
    "level",
    "value",
    "discovery",
    "group",
    "fold",
    "source",
    "reader",
    "station",
}
"""Columns whose cells are names even where they look like numbers."""

TESTS = (
    "p_bootstrap",
    "p_delong",
    "p_delong_stratified",
    "p_mcnemar",
    "p_holm",
    "detectable_difference",
    "p_wilcoxon_bootstrap",
)
"""Columns of comparisons.tsv that a table shows, the test used in the paper last."""

KINDS = {
    "method": "methods",
    "reference": "methods",
    "metric": "metrics",
    "basis": "bases",
    "structure": "structures",
    "organ": "structures",
    "variant": "variants",
    "by": "groupings",
    "level": "locations",
    "group": "locations",
    "comparison": "comparisons",
}
"""Columns whose cells have a reader's name in vocabulary.yaml."""


class Notes:
    """Footnotes of one table: equal texts get the same letter."""

    def __init__(self):
        self.texts = []

    def mark(self, text):
        """Raised letters for the notes in `text`, which are separated by semicolons."""
        parts = [part for part in text.split("; ") if part]
        self.texts += [part for part in dict.fromkeys(parts) if part not in self.texts]
        if not parts:
            return Markup("")
        letters = ",".join(self._letter(self.texts.index(part)) for part in parts)
        return Markup('<sup class="mark">{}</sup>').format(letters)

    def lines(self):
        """(letter, text) of each footnote."""
        return [(self._letter(i), text) for i, text in enumerate(self.texts)]

    @staticmethod
    def _letter(i):
        letters = string.ascii_lowercase
        return letters[i] if i < 26 else letters[i // 26 - 1] + letters[i % 26]


def performance(rows, metrics=MAIN_METRICS):
    """Rows of performance.tsv as one block per basis: a line per method, a column per metric.

    Returns
    -------
    list of {basis, columns: [label], lines: [{label, main, n, positives, cells}], notes,
    undefined, without}; `undefined` is a block of the metrics that no method defines, `without` one
    of the methods that define none of the others, or None
    """
    blocks = []
    for basis in vocabulary.ordered("bases", rows.values("basis")):
        within = rows.where(basis=basis)
        defined, undefined = _by_definition(within, metrics)
        if defined or undefined:
            some, none = _by_method(within, defined)
            block = _performance_block(basis, some, defined)
            block["undefined"] = _performance_block(basis, within, undefined) if undefined else None
            block["without"] = _performance_block(basis, none, defined) if none else None
            blocks.append(block)
    return blocks


def _by_definition(rows, metrics):
    """(metrics with a defined estimate in some row, those without any), of those in the table."""
    present = [m for m in metrics if rows.where(metric=m)]
    defined = [m for m in present if any(r["estimate"].defined for r in rows.where(metric=m))]
    return defined, [m for m in present if m not in defined]


def _by_method(rows, metrics):
    """(rows of the methods with a defined estimate in some of the metrics, those of the others)."""
    kept = {r.text("method") for r in rows if r.text("metric") in metrics and r["estimate"].defined}
    parts = ([r for r in rows if (r.text("method") in kept) == inside] for inside in (True, False))
    return tuple(type(rows)(part, rows.name, rows.columns, rows.absent) for part in parts)


def _performance_block(basis, rows, metrics):
    notes = Notes()
    lines = [
        _performance_line(method, rows.where(method=method), metrics, notes)
        for method in vocabulary.ordered("methods", rows.values("method"))
    ]
    return {
        "basis": vocabulary.name("bases", basis),
        "columns": [vocabulary.name("metrics", m) for m in metrics],
        "lines": lines if metrics else [],
        "notes": notes.lines(),
    }


def further_metrics(rows):
    """The metrics of performance.tsv that aren't among the main five, in order."""
    return vocabulary.ordered(
        "metrics", [m for m in rows.values("metric") if m not in MAIN_METRICS]
    )


def _performance_line(method, rows, metrics, notes):
    cells, counts, of_line = [], [], []
    for metric in metrics:
        of_metric = rows.where(metric=metric)
        if not of_metric:
            cells.append(Markup("–"))
            continue
        row = of_metric[0]
        counts.append((row["n"], row["positives"]))
        digits = numbers.digits_for(row["n"].number)
        cell = numbers.show(row["estimate"], digits)
        if row["sd"].defined:
            cell += Markup(" ± {}").format(numbers.show(row["sd"], digits))
        below = Markup("")
        if row["estimate"].defined:
            ends = numbers.interval(row, digits=digits)
            # After a standard deviation the interval goes on the next line.
            if row["sd"].defined:
                below = Markup('<span class="second">{}</span>').format(ends)
            else:
                cell += Markup(" {}").format(ends)
            below += _second_lines(row, digits)
        about_cell, about_line = _sorted_notes(row["note"].text)
        of_line += [note for note in about_line if note not in of_line]
        cells.append(cell + notes.mark(about_cell) + below)
    n, positives = counts[0] if counts else (Cell(), Cell())
    if len({(a.text, b.text) for a, b in counts}) > 1:
        listed = ", ".join(
            f"{vocabulary.name('metrics', m)} n = {a.text}"
            for m, (a, _) in zip(metrics, counts, strict=False)
        )
        of_line.append(f"n differs between metrics: {listed}.")
    mark = notes.mark("; ".join(of_line))
    return {
        "label": vocabulary.name("methods", method),
        "main": method == "combined",
        "n": numbers.show_count(n) + mark,
        "positives": numbers.show_count(positives),
        "cells": cells,
    }


def _sorted_notes(text):
    """The notes of a cell, and those that hold for the whole line (how many lack a value)."""
    parts = [part for part in text.split("; ") if part]
    line = [part for part in parts if "without_value" in reasons.codes_of(part)]
    return "; ".join(part for part in parts if part not in line), line


def _second_lines(row, digits):
    """Other intervals, small under an estimate."""
    lines = Markup("")
    delong = numbers.interval(row, "low_delong", "high_delong", digits)
    if delong:
        lines += Markup('<span class="second">DeLong {}</span>').format(delong)
    # Where the bootstrap gives no interval, the exact one follows from the counts.
    if not row["low"].defined or collapsed(row["low"].number, row["high"].number):
        exact = numbers.interval(row, "low_exact", "high_exact", digits)
        if exact:
            lines += Markup('<span class="second">exact {}</span>').format(exact)
    return lines


def with_everybody(rows, metrics=MAIN_METRICS):
    """Each figure if the patients without a score are counted too.

    Returns
    -------
    blocks as `performance`; a cell holds the figure with them called negative, then with all of
    them called wrongly
    """
    blocks = []
    for basis in vocabulary.ordered("bases", rows.values("basis")):
        within = rows.where(basis=basis)
        kept = [row for row in within if row["all_patients"].defined or row["worst_case"].defined]
        present = [m for m in metrics if any(row.text("metric") == m for row in kept)]
        lines = []
        for method in vocabulary.ordered("methods", [row.text("method") for row in kept]):
            cells = []
            for metric in present:
                of_metric = within.where(method=method, metric=metric)
                cells.append(_with_everybody(of_metric[0] if of_metric else None))
            first = within.where(method=method)[0]
            lines.append(
                {
                    "label": vocabulary.name("methods", method),
                    "main": method == "combined",
                    "n": numbers.show_count(first["n_all"]),
                    "positives": Markup("–"),
                    "cells": cells,
                }
            )
        if lines:
            columns = [vocabulary.name("metrics", m) for m in present]
            blocks.append(
                {
                    "basis": vocabulary.name("bases", basis),
                    "columns": columns,
                    "lines": lines,
                    "notes": [],
                }
            )
    return blocks


def _with_everybody(row):
    if row is None or not row["estimate"].defined:
        return Markup("–")
    digits = numbers.digits_for(row["n_all"].number)
    shown = (numbers.show(row[column], digits) for column in ("all_patients", "worst_case"))
    return Markup("{} · {}").format(*shown)


def comparisons(rows, primary):
    """Rows of comparisons.tsv as one block per metric, the declared comparison first.

    Returns
    -------
    list of {metric, main, defined, columns, lines: [{label, main, cells}], notes}; `defined`: whether
    any comparison in this metric is
    """
    metrics = vocabulary.ordered("metrics", rows.values("metric"))
    metrics.sort(key=lambda metric: metric != primary["metric"])
    blocks = []
    for metric in metrics:
        notes, lines = Notes(), []
        within = sorted(rows.where(metric=metric), key=lambda row: not _is_primary(row))
        tests = [c for c in TESTS if any(row.text(c) for row in within)]
        compared = within[0].text("method")
        shared = all(row.text("method") == compared for row in within)
        for row in within:
            digits = numbers.digits_for(row["n"].number)
            difference = numbers.show(row["difference"], digits)
            if row["difference"].defined:
                difference += Markup(" {}").format(numbers.interval(row, digits=digits))
            difference += notes.mark(row["note"].text)
            label = vocabulary.name("methods", row.text("reference"))
            if not shared:
                label = f"{vocabulary.name('methods', row.text('method'))} minus {label}"
            lines.append(
                {
                    "label": label,
                    "main": _is_primary(row),
                    "cells": [difference, numbers.show_count(row["n"])]
                    + [_test(row[c], digits) for c in tests],
                }
            )
        blocks.append(
            {
                "metric": vocabulary.name("metrics", metric),
                "first": f"{vocabulary.name('methods', compared)} minus …" if shared else "Pair",
                "main": metric == primary["metric"],
                "defined": any(row["difference"].defined for row in within),
                "columns": ["Difference [95 % CI]", "n shared"] + [head(c) for c in tests],
                "lines": lines,
                "notes": notes.lines(),
            }
        )
    return blocks


def _test(cell, digits):
    if not cell.text:
        return Markup("–")
    return numbers.show_p(cell) if cell.column.startswith("p_") else numbers.show(cell, digits)


def subgroups(rows):
    """Rows of subgroups.tsv as one block per method: a line per group, a column per metric.

    Returns
    -------
    list of {method, columns, lines: [{subgroup, group, n, positives, unscored, cells}], notes,
    undefined}; `undefined` is a block of the groups in which most metrics are undefined, or None
    """
    blocks = []
    for method in vocabulary.ordered("methods", rows.values("method")):
        within = rows.where(method=method)
        groups = dict.fromkeys((row.text("subgroup"), row.text("group")) for row in within)
        parts = [within.where(subgroup=subgroup, group=group) for subgroup, group in groups]
        # In a group of one class only one of the metrics is defined.
        defined = [p for p in parts if 2 * sum(r["estimate"].defined for r in p) >= len(p)]
        undefined = [part for part in parts if part not in defined]
        metrics = vocabulary.ordered("metrics", within.values("metric"))
        block = _subgroup_block(method, defined, metrics)
        block["undefined"] = _subgroup_block(method, undefined, metrics) if undefined else None
        blocks.append(block)
    return blocks


def _subgroup_block(method, parts, metrics):
    """A block of some groups; `parts` holds the rows of one group each."""
    notes, lines = Notes(), []
    for part in parts:
        line = _performance_line(method, part, metrics, notes)
        line["unscored"] = numbers.show_count(part[0]["unscored"])
        line["subgroup"] = head(part[0].text("subgroup"))
        line["group"] = vocabulary.name("locations", part[0].text("group"))
        lines.append(line)
    return {
        "method": vocabulary.name("methods", method),
        "columns": [vocabulary.name("metrics", m) for m in metrics],
        "lines": lines,
        "notes": notes.lines(),
    }


def _is_primary(row):
    return row.text("primary") in ("1", "True", "true", "yes")


def table(rows, hide=(), heads=None, intervals=()):
    """Any table: every column that is not empty, names in words, numbers rounded.

    Parameters
    ----------
    rows : Rows
    hide : columns left out
    heads : {column: words}, over `vocabulary.heads()`
    intervals : columns whose cell includes the interval in `{column}_low` and `{column}_high`
    """
    heads = heads or {}
    hide = {*hide, *(f"{c}_{end}" for c in intervals for end in ("low", "high"))}
    columns = [c for c in rows.columns if c not in hide and any(row.text(c) for row in rows)]
    numeric = {c for c in columns if _is_numeric(rows, c)}
    joined = _joined(columns)
    notes = Notes()
    shown = [c for c in columns if c not in joined.values()]
    lines = [
        [
            _content(row, c, joined.get(c), numeric, notes)
            + (_ends(row, c) if c in intervals else Markup(""))
            for c in shown
        ]
        for row in rows
    ]
    return {
        "columns": [_heading(c, joined.get(c), heads) for c in shown],
        "numeric": [c in numeric for c in shown],
        "lines": lines,
        # A first column that repeats itself is shown once per group.
        "same": [
            i > 0 and rows[i - 1].text(columns[0]) == row.text(columns[0])
            for i, row in enumerate(rows)
        ],
        "notes": notes.lines(),
        "absent": rows.absent,
    }


def _ends(row, column):
    ends = numbers.interval(row, f"{column}_low", f"{column}_high")
    return Markup(" {}").format(ends) if ends else Markup("")


def _joined(columns):
    """{column: the one that shares its cell}: a value's SD, an interval's upper end."""
    pairs = {c: f"{c}_sd" for c in columns if f"{c}_sd" in columns}
    for c in columns:
        if c == "low" or c.endswith("_low"):
            high = f"{c.removesuffix('low')}high"
            if high in columns:
                pairs[c] = high
    return pairs


def _heading(column, other, heads):
    if other and other.endswith("high"):
        stem = column.removesuffix("low").removesuffix("_")
        of = heads.get(column, vocabulary.heads().get(column)) or f"{head(stem)}, 95 % CI, low"
        return of.removesuffix(", low")
    words = heads.get(column) or head(column)
    return f"{words} ± SD" if other else words


def _content(row, column, other, numeric, notes):
    """A cell of `table`; a note is a letter, whose text is below the table."""
    if column == "note":
        return notes.mark(row.text(column)) or "–"
    why = _why(row, column, numeric)
    if other is None or not row[column].defined:
        return _cell(row[column], why)
    if other.endswith("high"):
        interval = numbers.interval(row, column, other, general=True)
        return interval or _cell(row[other], _why(row, other, numeric))
    if not row[other].defined:
        return _cell(row[column])
    return Markup("{} ± {}").format(_cell(row[column]), _cell(row[other]))


def head(column):
    """A column's name in words."""
    if column.startswith("n_"):
        return f"n, {head(column[2:])}"
    words = column.replace("_", " ")
    # `pT` and other names that are words keep their letters.
    return vocabulary.heads().get(
        column, words if words[1:2].isupper() else words[:1].upper() + words[1:]
    )


def _is_numeric(rows, column):
    cells = [row[column] for row in rows if row.text(column)]
    return column not in TEXT_COLUMNS and bool(cells) and all(cell.defined for cell in cells)


def _why(row, column, numeric):
    """Whether an empty cell is an undefined number (the note has the reason)."""
    return column in numeric and not row.text(column) and bool(row.text("note"))


def _cell(cell, undefined=False):
    if undefined:
        return numbers.show(cell)
    kind = KINDS.get(cell.column)
    if kind and cell.text in vocabulary.terms()[kind]:
        return vocabulary.name(kind, cell.text)
    if cell.column.startswith("p_") and cell.defined:
        return numbers.show_p(cell)
    return numbers.show_any(cell, TEXT_COLUMNS)


def split(rows, column):
    """(rows whose `column` is defined, the others), both with the columns of the table."""
    parts = ([r for r in rows if r[column].defined], [r for r in rows if not r[column].defined])
    return tuple(type(rows)(part, rows.name, rows.columns, rows.absent) for part in parts)


def facts_table(rows, heads=None):
    """A table of dicts from the facts of a run (truth, timings), as `table` makes it."""
    from nodestage.report.sources import Row, Rows

    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [
        Row({k: Cell(_text(v), "facts", i, k) for k, v in row.items()})
        for i, row in enumerate(rows, start=1)
    ]
    return table(Rows(cells, "facts", columns), heads=heads)


def _text(value):
    if value is None or value != value:
        return ""
    return repr(value) if isinstance(value, float) else str(value)
