"""Numbers as a reader sees them, each with its full value behind it."""

import math

from markupsafe import Markup, escape

from nodestage.report.sources import Cell
from nodestage.statistics.intervals import collapsed

UNDEFINED = "undefined"


def digits_for(n):
    """Decimals that n patients can bear: three from 100 patients on, else two."""
    return 3 if n == n and n >= 100 else 2


def fixed(value, digits=2):
    """A number with a true minus sign; `undefined` if it is not finite."""
    if not math.isfinite(value):
        return UNDEFINED
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def p_value(value):
    """A p-value as journals print it."""
    if not math.isfinite(value):
        return UNDEFINED
    if value < 0.001:
        return "<\N{NO-BREAK SPACE}0.001"
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def general(text):
    """A cell of a table without known columns: whole numbers unchanged, others rounded."""
    try:
        value = float(text)
    except ValueError:
        return text
    if not math.isfinite(value):
        return UNDEFINED
    if text.lstrip("+-").isdigit():
        return text.replace("-", "−")
    if abs(value) < 1e-9:
        value = 0.0  # what adding up leaves of a zero
    if value != 0 and (abs(value) < 1e-3 or abs(value) >= 1e6):
        return f"{value:.2e}".replace("-", "−")
    shown = f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return shown.replace("-", "−")


def tagged(cell, shown, kind="number"):
    """`shown` with the cell's row, column and full text as data attributes; escaped."""
    return Markup(
        '<span class="{}" data-source="{}" data-row="{}" data-column="{}" data-value="{}">{}</span>'
    ).format(kind, cell.source, cell.row, cell.column, cell.text, shown)


def show(cell, digits=2):
    """A measured value."""
    return tagged(cell, fixed(cell.number, digits), "number" if cell.defined else UNDEFINED)


def show_p(cell):
    """A p-value."""
    return tagged(cell, p_value(cell.number), "number" if cell.defined else UNDEFINED)


def show_count(cell):
    """A count; an empty cell as a dash."""
    if not cell.defined:
        return tagged(cell, cell.text or "–")
    return tagged(cell, f"{cell.number:.0f}")


def show_any(cell, words=()):
    """A cell of a table without known columns; those in `words` are text even if they look like numbers."""
    if cell.column in words or not cell.text:
        return escape(cell.text or "–")
    if math.isnan(cell.number) and cell.text.lower() != "nan":
        return escape(cell.text)
    return tagged(cell, general(cell.text))


def interval(row, low="low", high="high", digits=2, general=False):
    """`[low–high]`; nothing where the interval is undefined, words where it is but a point.

    `general` rounds both ends as `show_any` does numbers of their size.
    """
    a, b = row[low], row[high]
    if not (a.defined and b.defined):
        return Markup("")
    if collapsed(a.number, b.number):
        return Markup('<span class="ci">[no interval]</span>')
    joint = "–" if a.number >= 0 else " to "
    # A power of ten beside a plain number is hard to read.
    plain = max(abs(a.number), abs(b.number)) < 10
    ends = [show(end, 3 if plain else 1) if general else show(end, digits) for end in (a, b)]
    return Markup('<span class="ci">[{}{}{}]</span>').format(ends[0], joint, ends[1])


def interval_words(row, low="low", high="high", digits=2):
    """`95 % CI 0.50–0.73`, each end tagged; or that there is none."""
    a, b = row[low], row[high]
    if not (a.defined and b.defined) or collapsed(a.number, b.number):
        return Markup("no interval")
    joint = "–" if a.number >= 0 else " to "
    return Markup("95\N{NO-BREAK SPACE}%\N{NO-BREAK SPACE}CI\N{NO-BREAK SPACE}{}{}{}").format(
        show(a, digits), joint, show(b, digits)
    )


def plain_cell(value):
    """A value from the facts of a run as a cell, for the helpers above."""
    return Cell(text="" if value is None else str(value))
