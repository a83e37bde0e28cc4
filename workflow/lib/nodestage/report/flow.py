"""Flow diagram of a center's patients, as SVG inside the page."""

import textwrap

from markupsafe import Markup, escape

WIDTH, LINE, PAD = 460, 16, 9
LEFT, LEFT_WIDTH = 1, 216
RIGHT, RIGHT_WIDTH = 246, 213


def flow(center, total, excluded, outcomes, method, where="in the sample sheet"):
    """From the sample sheet to the calls.

    Parameters
    ----------
    center : str
    total : int, patients of the sheet or of the file sent back
    excluded : list of (reason, n), why patients have no score or no known status
    outcomes : list of (text, lines) of the boxes at the end
    method : str, whose scores are meant
    where : str, the sheet or file in words
    """
    parts, scored = [], total - sum(n for _, n in excluded)
    y = _box(parts, LEFT, 1, LEFT_WIDTH, [f"{total} patients of {center}", where])
    top = y
    if excluded:
        lines = [f"{sum(n for _, n in excluded)} not analysed"]
        for reason, n in excluded:
            lines += _wrap(f"{n}: {reason}", 33)
        bottom = _box(parts, RIGHT, top + 14, RIGHT_WIDTH, lines)
    else:
        bottom = _box(parts, RIGHT, top + 14, RIGHT_WIDTH, ["none excluded"])
    middle = LEFT + LEFT_WIDTH / 2
    beside = (top + 14 + bottom) / 2
    following = bottom + 14
    _arrow(parts, middle, top, middle, following)
    _arrow(parts, middle, beside, RIGHT, beside)
    y = _box(parts, LEFT, following, LEFT_WIDTH, [f"{scored} analysed", *_wrap(f"by {method}", 33)])
    start, ends = y, []
    for i, (head, lines) in enumerate(outcomes):
        x, width = ((LEFT, LEFT_WIDTH), (RIGHT, RIGHT_WIDTH))[i % 2]
        ends.append(_box(parts, x, start + 26, width, [head, *lines]))
        _arrow(parts, middle, start, x + width / 2, start + 26)
    height = max([y, *ends]) + 2
    words = (
        f"{total} patients {where}, "
        + (
            "; ".join(f"{n} excluded: {reason}" for reason, n in excluded)
            if excluded
            else "none excluded"
        )
        + f"; {scored} analysed; "
        + "; ".join(f"{head}: {', '.join(lines)}" for head, lines in outcomes)
    )
    return Markup(
        '<svg class="flow" role="img" viewBox="0 0 {} {:.0f}" aria-label="{}">'
        '<defs><marker id="flow-head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="currentColor"/></marker>'
        "</defs>{}</svg>"
    ).format(WIDTH, height, words, Markup("").join(parts))


def _wrap(text, width):
    return textwrap.wrap(text, width) or [""]


def _box(parts, x, y, width, lines):
    """Draw a box of text; the y of its lower edge."""
    height = len(lines) * LINE + 2 * PAD - 3
    parts.append(
        Markup('<rect x="{}" y="{}" width="{}" height="{}" rx="5"/>').format(x, y, width, height)
    )
    for i, line in enumerate(lines):
        parts.append(
            Markup('<text x="{}" y="{}"{}>{}</text>').format(
                x + 11,
                y + PAD + 11 + i * LINE,
                Markup(' class="head"') if i == 0 else "",
                escape(line),
            )
        )
    return y + height


def _arrow(parts, x1, y1, x2, y2):
    """An arrow that runs straight, or down, across and down again."""
    bend = (y1 + y2) / 2 - 2
    way = f"L{x2} {y2}" if x1 == x2 or y1 == y2 else f"V{bend}H{x2}V{y2}"
    parts.append(
        Markup(
            '<path d="M{} {}{}" fill="none" stroke="currentColor" marker-end="url(#flow-head)"/>'
        ).format(x1, y1, way)
    )
